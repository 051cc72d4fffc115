import type { Mutant } from "../mutant.ts";

const AUDIT_LOG = ["test/http/v1/audit-log.test.ts"];

/** Who did what: a row for each write of people who run the shop, and no other. */
export const DEEDS: Mutant[] = [
  {
    name: "before-is-after",
    breaks: "what a stock was before is told as what it is since",
    promise: "G7",
    file: "src/domain/deed.ts",
    text: "available: available - available_delta, held",
    instead: "available: available + 0 * available_delta, held",
    tests: AUDIT_LOG,
  },
  {
    name: "deed-of-no-request",
    breaks: "a change of stock is written down without the request that asked for it",
    promise: "G7",
    file: "src/postgres/audit-log.ts",
    text: "events.map(({ payload }) => payload.request_id)",
    instead: "events.map(({ event_id }) => event_id)",
    tests: AUDIT_LOG,
  },
  {
    name: "deed-when-recorded",
    breaks: "what was done while Postgres was away is told as done when it came back",
    promise: "G7",
    file: "src/postgres/audit-log.ts",
    text: "select to_timestamp(done_ms / 1000), who,",
    instead: "select date_trunc('milliseconds', now() + 0 * done_ms * '1 s'::interval), who,",
    tests: AUDIT_LOG,
  },
  {
    name: "deeds-of-a-moment-skipped",
    breaks: "of what was done in one moment a page's end cuts off the rest",
    promise: "G7",
    file: "src/postgres/audit-log.ts",
    text: "and (done_at, deed_id) < (to_timestamp($2::float8 / 1000), $3::bigint)",
    instead: "and done_at < to_timestamp($2::float8 / 1000) and $3::bigint >= 0",
    tests: AUDIT_LOG,
  },
  {
    name: "rules-set-by-nobody",
    breaks: "changes of a sale's rules are not written down",
    promise: "G7",
    file: "src/domain/batch-plan.ts",
    text: "      deeds.push(event);\n      const known = rules",
    instead: "      const known = rules",
    tests: AUDIT_LOG,
  },
  {
    name: "kept-by-nobody",
    breaks: "a promise that the worker keeps is not written down as whose it was",
    promise: "G7",
    file: "worker/promises.ts",
    text: "keep(promise, { request_id, actor, deadline })",
    instead: "keep(promise, { request_id, actor: actor && undefined, deadline })",
    tests: ["test/worker/keeper.test.ts"],
  },
  {
    name: "approved-twice",
    breaks: "a recovery that was approved already is written down as approved once more",
    promise: "G7",
    file: "src/postgres/recovery.ts",
    text: "if (is_first) await keepDeed",
    instead: "if (is_first || after) await keepDeed",
    tests: AUDIT_LOG,
  },
];
