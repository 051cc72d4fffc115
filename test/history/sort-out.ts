import { type InventoryEvent, isHoldEvent } from "../../src/domain/event.ts";
import { parseEvent } from "../../src/domain/parse-event.ts";
import type { openDecidingSide } from "../setup/deciding-side.ts";
import type { SkuOperation } from "./operations.ts";

type Side = Awaited<ReturnType<typeof openDecidingSide>>;
/** Of an ending it is not known yet which sku it was about. Holds have their ids still. */
export type Recorded = { sku: string | undefined; request_id: string; operation: SkuOperation };
/** The places in the stream of what each request did, and of what made or ended each thing. */
type Places = { of_request: Map<string, number>; of_thing: Map<string, number> };

/**
 * Gives each sku its own operations, and each hold the name it has in a history: the key that it was made
 * with. Keys begin with their sku and a slash. The stream hints at the order, which the search then proves.
 */
export async function sortOut(direct: Side, skus: string[], recorded: Recorded[]) {
  const made = await readRecords(direct);
  const madeBy = new Map([...made].map(([key, id]) => [id, key]));
  const places = await readPlaces(direct);
  refuseUnrecorded(places, recorded);
  const histories = new Map(skus.map((sku) => [sku, [] as SkuOperation[]]));
  for (const { sku, request_id, operation } of recorded) {
    const { input } = operation;
    if ("hold" in input) {
      const key = madeBy.get(input.hold);
      if (key === undefined) throw new Error(`No key has made ${input.hold}.`);
      const thing = "key" in input ? made.get(input.key) : `end of ${input.hold}`;
      const hint = hintOf(places, request_id, operation, thing ?? "");
      const named = { ...operation, hint, input: { ...input, hold: key } };
      histories.get(key.slice(0, key.indexOf("/")))?.push(named);
    } else {
      const thing = "key" in input ? made.get(input.key) : undefined;
      const hint = hintOf(places, request_id, operation, thing ?? "");
      histories.get(sku ?? "")?.push({ ...operation, hint });
    }
  }
  return histories;
}

/** Whoever was told that surely nothing was done is not recorded: nothing of theirs may be there. */
function refuseUnrecorded({ of_request }: Places, recorded: Recorded[]) {
  const known = new Set([STOCK_UP, ...recorded.map(({ request_id }) => request_id)]);
  const done = [...of_request.keys()].filter((request_id) => !known.has(request_id));
  if (done.length > 0) throw new Error(`Was done, and answered as not done: ${done.join(", ")}.`);
}

/** Its own place, or that behind what it was told about. What has no answer and no event did nothing. */
function hintOf(
  { of_request, of_thing }: Places,
  request_id: string,
  { output }: SkuOperation,
  thing: string,
): number | undefined {
  const own = of_request.get(request_id);
  if (own !== undefined) return own;
  const told = output && of_thing.get(thing);
  return told && told + 0.5;
}

/** The request that gives the skus their limits, before anybody is recorded. */
export const STOCK_UP = "stock up";

/** What the record of a change of a hold begins with. */
const WORDS = new Set(["CHANGED", "CANCELLED"]);

/** What each idempotency key has made: the id of a hold or of an event. */
async function readRecords({ redis }: Side): Promise<Map<string, string>> {
  const names = await redis.keys("idem:*");
  const texts = names.length > 0 ? await redis.mget(names) : [];
  const made = new Map<string, string>();
  for (const [i, name] of names.entries()) {
    const [, word = "", other] = texts[i]?.split(" ") ?? [];
    const id = WORDS.has(word) ? other : word;
    const [, , ...key] = name.split(":");
    if (id !== undefined) made.set(key.join(":"), id);
  }
  return made;
}

async function readPlaces({ redis, keys }: Side): Promise<Places> {
  const places: Places = { of_request: new Map(), of_thing: new Map() };
  for (const [, flat] of await redis.xrange(keys.stream, "-", "+")) {
    const event = parseEvent(fieldsOf(flat));
    places.of_request.set(event.payload.request_id, event.seq);
    places.of_thing.set(thingOf(event), event.seq);
  }
  return places;
}

function thingOf(event: InventoryEvent): string {
  if (!isHoldEvent(event)) return event.event_id;
  const { hold_id } = event.payload;
  const makes = event.type === "HOLD_CREATED" || event.type === "HOLD_PURCHASED";
  if (makes) return hold_id;
  return event.payload.status === "ACTIVE" ? event.event_id : `end of ${hold_id}`;
}

const fieldsOf = (flat: string[]) =>
  Object.fromEntries(flat.flatMap((name, i) => (i % 2 ? [] : [[name, flat[i + 1] ?? ""]])));
