import { z } from "zod";
import { DEEDS } from "../../domain/deed.ts";
import { type DeedPlace, listDeeds, type WrittenDeed } from "../../postgres/audit-log.ts";
import type { RouteDeps } from "../deps.ts";
import { cursor, isoTime, limit, pageOf, presentPage, time } from "../fields.ts";
import { readRecorded } from "../ledger-call.ts";
import { text } from "../parse.ts";
import { type Route, route } from "../route.ts";

const WHO_CHARS_MAX = 255;

const who = text(WHO_CHARS_MAX).meta({
  description:
    "The name of the API key, or the token's subject. `api` with `AUTH=off`, `cli:<user>` for `npm run keys`, `seed` for `npm run seed`.",
  example: "back-office",
});
const what = z.enum(DEEDS).meta({ example: "STOCK_ADJUSTED" });
const state = z.record(z.string(), z.unknown()).nullable();
const shown = z.object({
  who,
  what,
  subject: z.string().meta({
    description:
      "What it was done to: `sku@storeId` of the first line of a change of stock, an order, a sku, a store, a payment, a key's name, or an id.",
    example: "tea@main",
  }),
  requestId: z
    .string()
    .meta({ description: "As the answer's `X-Request-Id`.", example: "trace-1" }),
  doneAt: time,
  eventId: z.string().nullable().meta({
    description: "Of what is an event, too.",
    example: "01a1fbe0-b8e6-7462-8776-0bd4fb74d143",
  }),
  before: state.meta({
    description: "As it was, in the words in which it is stored. Null: there was nothing.",
    example: { lines: [{ sku: "tea", store_id: "main", available: 10, held: 0 }] },
  }),
  after: state.meta({
    description: "As it is since. Null: there is nothing any more, or nothing to tell.",
    example: { lines: [{ sku: "tea", store_id: "main", available: 15, held: 0, version: 8 }] },
  }),
});

/** Who did what: the writes of people who run the shop. */
export function createAuditLogRoutes(deps: RouteDeps): Route[] {
  const list = route(
    {
      method: "GET",
      path: "/v1/audit-log",
      roles: ["operator"],
      tag: "Operation",
      summary: "Who did what, newest first",
      description:
        "Each write that needs the role `inventory` or `operator`, as soon as it is recorded: of a request of many lines, a row for each. What was refused, answered again or changed nothing is not here, nor is what the checkout does. Kept for `AUDIT_LOG_KEPT_DAYS`.",
      projection: true,
      query: z.strictObject({
        who: who.optional(),
        what: what.optional(),
        since: z.iso
          .datetime({ offset: true })
          .transform((given) => Date.parse(given))
          .optional()
          .meta({
            ...{ type: "string", description: "Only what was done then or later." },
            example: "2026-11-21T02:17:51Z",
          }),
        limit,
        cursor: cursor(place()),
      }),
      answers: { 200: { description: "A page of them.", body: pageOf(shown) } },
    },
    deps.request_budget_ms,
    async ({ query: { who, what, since, limit, cursor: before }, context }) => {
      const { recorded, lag_ms } = await readRecorded(deps, context, () =>
        listDeeds(deps.pool, { who, what, since, limit, before }),
      );
      return { status: 200, lag_ms, body: presentPage(recorded, present, placeText) };
    },
  );

  return [list];
}

const placeText = ({ done_at, deed_id }: DeedPlace) => `${done_at}-${deed_id}`;

const place = () =>
  z
    .string()
    .regex(/^\d{1,15}-\d{1,15}$/, "is not a cursor of this list")
    .transform((words): DeedPlace => {
      const [done_at = 0, deed_id = 0] = words.split("-").map(Number);
      return { done_at, deed_id };
    });

function present(deed: WrittenDeed): z.infer<typeof shown> {
  const { who, what, subject, request_id, done_at, event_id, before, after } = deed;
  return {
    ...{ who, what, subject, requestId: request_id, doneAt: isoTime(done_at), eventId: event_id },
    before: before && { ...before },
    after: after && { ...after },
  };
}
