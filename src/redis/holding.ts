import type { Redis } from "ioredis";
import { type Line, sumLines } from "../domain/hold.ts";
import { newEventId, newHoldId } from "../domain/ids.ts";
import { QUANTITY_MAX } from "../domain/limits.ts";
import { Rejection } from "../domain/rejection.ts";
import type { Batcher, Tuple } from "./batcher.ts";
import { type CallContext, commonRefusal, createSubmit, takenLines } from "./deciding.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { type LinesReader, lineArgs, untilLinesHold } from "./hold-lines.ts";
import type { IdemRoute, Keys } from "./keys.ts";
import { RedisFault, readKey } from "./outcome.ts";
import type { Releases } from "./releases.ts";

/** What somebody wants to hold. */
export type HoldWish = {
  lines: Line[];
  /** "" when nobody was named. */
  user_id: string;
  ttl_seconds: number;
  /** Nobody asked for it: the rules of the sale may say otherwise. */
  ttl_is_usual?: boolean | undefined;
  idempotency_key: string;
  route?: "reserve" | "v1_reserve" | undefined;
  /** Take what there is, when that is less. */
  partial?: boolean | undefined;
  /** Take the place of the customer's own hold of the first of these skus that has one. */
  replace?: boolean | undefined;
  /** The customer's own hold by the ledger's word, if it knows one. */
  recordedHold?: (() => Promise<string | null>) | undefined;
};

export type NewHold = {
  hold_id: string;
  expires_at: number;
  created_at: number;
  /** Units of each line, in their order. */
  granted: number[];
  replayed: boolean;
};

/** Holds as they begin: createInventory's part that takes stock. */
export function createHolding({
  batcher,
  redis,
  keys,
  releases,
  readLines,
  jitter_ms_max = 0,
}: {
  batcher: Batcher;
  redis: Redis;
  keys: Keys;
  releases: Releases;
  readLines: LinesReader;
  /** Holds made in one second do not all end in one: each lasts up to so much longer. */
  jitter_ms_max?: number | undefined;
}) {
  const submit = createSubmit(batcher);

  /**
   * Takes stock for a new hold. The same idempotency_key and request again give the first hold.
   * @param input.user_id "" when nobody was named
   */
  async function createHold(input: HoldWish, context: CallContext): Promise<NewHold> {
    const hold_id = newHoldId();
    const { route = "reserve" } = input;
    const lines = sumLines(input.lines);
    refuseTooMany(lines);
    const tuple = await askNewHold(hold_id, { ...input, lines }, route, context);
    switch (tuple[0]) {
      case "CREATED":
      case "REPLAYED": {
        const [, first_id, expires_at, created_at, ...granted] = tuple;
        // When a retry of ours met the record of our own lost reply, the hold is new to the caller.
        const replayed = first_id !== hold_id;
        return {
          hold_id: String(first_id),
          expires_at: Number(expires_at),
          // A record of before created_at was remembered.
          created_at: Number(created_at ?? Number(expires_at) - input.ttl_seconds * 1000),
          granted: lines.map(({ quantity }, i) => Number(granted[i] ?? quantity)),
          replayed,
        };
      }
      case "SOLD_OUT":
      case "ALL_HELD":
        throw await takenRefusal(
          releases,
          tuple,
          tuple[0],
          route === "v1_reserve" || lines.length > 1,
        );
      default:
        throw commonRefusal(tuple);
    }
  }

  // A customer's own hold is looked up first, with its lines; when it is another one by the time the script
  // looks, again.
  async function askNewHold(
    hold_id: string,
    wish: HoldWish,
    route: IdemRoute,
    context: CallContext,
  ): Promise<Tuple> {
    const { lines, user_id, ttl_seconds, ttl_is_usual, idempotency_key, partial, replace } = wish;
    const options = partial ? (replace ? "PARTIAL REPLACE" : "PARTIAL") : replace ? "REPLACE" : "";
    const asked = [route, lines, user_id, ttl_seconds];
    const ttl_ms = ttl_seconds * 1000;
    const request_keys = [
      keys.hold(hold_id),
      keys.idem(route, idempotency_key),
      ...lines.flatMap(keys.ofStock),
    ];
    const request_args = [
      newEventId(),
      context.request_id,
      hold_id,
      user_id,
      `${ttl_is_usual ? "" : ttl_ms}/${ttl_ms}/${jitterMs(jitter_ms_max)}/${options}`,
      fingerprintOf(options ? [...asked, options] : asked),
      ...lineArgs(lines),
    ];
    // Most replace nothing: the hottest call of a sale waits for no more than it must.
    if (!replace)
      return submit("create_holds", context, { keys: request_keys, args: request_args });

    const other_event_id = newEventId();
    const tuple = await untilLinesHold(async () => {
      const other = await readOwnHold(wish, context);
      if (!other) {
        const args = [...request_args, other_event_id, ""];
        return submit("create_holds", context, { keys: request_keys, args });
      }
      return submit("create_holds", context, {
        keys: [...request_keys, keys.hold(other.hold_id), ...other.lines.flatMap(keys.ofStock)],
        args: [...request_args, other_event_id, other.hold_id, ...lineArgs(other.lines)],
      });
    });
    if (tuple) return tuple;
    throw new RedisFault(
      "NOT_EXECUTED",
      "The hold to be replaced was another one at each attempt.",
    );
  }

  // The hold in the index is the customer's own as long as it is there; one that was made without `replace`
  // is known to the ledger alone.
  async function readOwnHold(
    { lines, user_id, recordedHold }: HoldWish,
    context: CallContext,
  ): Promise<{ hold_id: string; lines: Line[] } | null> {
    const hold_id = (await ownHoldOf(lines, user_id)) ?? (await recordedHold?.());
    if (!hold_id) return null;
    return { hold_id, lines: await readLines(hold_id, context) };
  }

  async function ownHoldOf(lines: Line[], user_id: string): Promise<string | undefined> {
    const fields = lines.map(({ sku }) => `${sku} ${user_id}`);
    const failure = "The customer's own hold could not be asked for.";
    const found = await readKey(keys.own_holds, failure, () =>
      redis.hmget(keys.own_holds, ...fields),
    );
    return found.find((id) => id !== null) ?? undefined;
  }

  return { createHold };
}

/**
 * The refusal that names the lines that are short: all of them, or the first one alone.
 * @param code ALL_HELD says when the first of the units may come back, if that is known
 */
export async function takenRefusal(
  releases: Releases,
  tuple: Tuple,
  code: "SOLD_OUT" | "ALL_HELD",
  all_lines: boolean,
) {
  const lines = takenLines(tuple);
  const { sku, requested, available, held } = lines[0] ?? {};
  const release = code === "ALL_HELD" ? await releases.earliest(lines) : null;
  return new Rejection(code, `${requested} of ${sku} requested, ${available} available.`, {
    ...{ sku, requested, available, held },
    ...(release === null ? {} : { earliest_release_at: new Date(release).toISOString() }),
    ...(all_lines ? { lines } : {}),
  });
}

const jitterMs = (max: number) => Math.floor(Math.random() * (max + 1));

// The script sees to it too, but it may only say that an argument is bad, and that would be a bug of ours.
function refuseTooMany(lines: Line[]) {
  const line = lines.find(({ quantity }) => quantity > QUANTITY_MAX);
  if (!line) return;
  throw new Rejection(
    "INVALID_REQUEST",
    `All lines of ${line.sku} together ask for ${line.quantity}; a hold may have ${QUANTITY_MAX}.`,
  );
}
