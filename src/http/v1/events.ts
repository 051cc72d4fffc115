import { z } from "zod";
import { EVENT_TYPES } from "../../domain/event.ts";
import { createHistory } from "../../postgres/history.ts";
import type { EventsSince, RecordedEvent } from "../../postgres/history-events.ts";
import type { RouteDeps } from "../deps.ts";
import { HOLD_ID_EXAMPLE, isoTime, sku, storeId, time, wholeParameter } from "../fields.ts";
import { readRecorded } from "../ledger-call.ts";
import { type Route, route } from "../route.ts";

const LIMIT_DEFAULT = 100;
const LIMIT_MAX = 1_000;

const EVENT_ID = "01a1fbe0-b8e6-7462-8776-0bd4fb74d143";

const since = z
  .union(
    [
      z.guid().transform((event_id): EventsSince => ({ event_id })),
      z.iso
        .datetime({ offset: true })
        .transform((text): EventsSince => ({ at_ms: Date.parse(text) })),
    ],
    { error: "must be an RFC 3339 time or the id of an event" },
  )
  .optional()
  .meta({
    type: "string",
    description: "An event's id: begin behind it. Or a time: begin with what was recorded then.",
    example: "2026-11-21T02:17:51Z",
  });

const shown = z.object({
  eventId: z.string().meta({ example: EVENT_ID }),
  eventType: z.enum(EVENT_TYPES),
  occurredAt: time,
  aggregate: z.object({
    type: z.enum(["reservation", "stock", "rules", "payment", "waiter"]),
    id: z.string().meta({
      description:
        "A reservation's or a waiter's id, `sku@storeId` of the first line of a change of stock, the sku of rules, or the id of an unfulfilled payment.",
      example: HOLD_ID_EXAMPLE,
    }),
    version: z.int().meta({ example: 1 }),
  }),
  payload: z.record(z.string(), z.unknown()).meta({
    description: "What happened, whole, in the words in which it is stored.",
    example: { event_version: 1, hold_id: HOLD_ID_EXAMPLE, status: "ACTIVE", lines: [] },
  }),
});

export function createEventRoutes(deps: RouteDeps): Route[] {
  const history = createHistory(deps.pool);

  const list = route(
    {
      method: "GET",
      path: "/v1/events",
      roles: ["operator", "viewer"],
      tag: "Events",
      summary: "What happened, oldest first",
      description:
        "To follow everything, ask again and again with the last `eventId` you have seen as `since`: nothing is left out and nothing comes twice. An empty list means that there is nothing new yet. Events are kept for a time (`EVENTS_KEPT_DAYS`); a `since` that is no longer there is refused with NOT_FOUND, and a time begins with the oldest that is kept. With `sku` it lists all that name it, whether they move units or not; with `storeId` all that name that store, so not RULES_CHANGED, which is about a sku in all stores.",
      projection: true,
      query: z.strictObject({
        storeId: storeId.optional(),
        sku: sku.optional(),
        since,
        limit: wholeParameter(1, LIMIT_MAX, LIMIT_DEFAULT),
      }),
      answers: { 200: { description: "The next of them.", body: z.array(shown) } },
      problems: ["NOT_FOUND"],
    },
    deps.request_budget_ms,
    async ({ query: { storeId, sku, since, limit }, context }) => {
      const { recorded, lag_ms } = await readRecorded(deps, context, () =>
        history.listEvents({ store_id: storeId, sku, since, limit }),
      );
      return { status: 200, lag_ms, body: recorded.items.map(present) };
    },
  );

  return [list];
}

function present({ event_id, type, occurred_at, payload }: RecordedEvent): z.infer<typeof shown> {
  // The key is the caller's own affair, and whoever has it could ask for the same again.
  const { record, ...said } = payload;
  return {
    eventId: event_id,
    eventType: type,
    occurredAt: isoTime(occurred_at),
    aggregate: aggregateOf(payload),
    payload: said,
  };
}

function aggregateOf(payload: RecordedEvent["payload"]): z.infer<typeof shown>["aggregate"] {
  if ("payment_id" in payload) return { type: "payment", id: payload.payment_id, version: 1 };
  // A return names its hold too, but has no status.
  if ("hold_id" in payload && "status" in payload) {
    return { type: "reservation", id: payload.hold_id, version: payload.version };
  }
  if ("rules" in payload) return { type: "rules", id: payload.sku, version: payload.version };
  if ("waiter_id" in payload) {
    return { type: "waiter", id: payload.waiter_id, version: payload.status === "WAITING" ? 1 : 2 };
  }
  const [first] = payload.lines;
  if (!first) throw new Error("A change of stock without a line was recorded."); // parseEvent refuses it
  return { type: "stock", id: `${first.sku}@${first.store_id}`, version: first.version };
}
