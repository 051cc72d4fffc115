import fc from "fast-check";
import { batchOf, deadline, fingerprint, idem, sku, step } from "./fuzz-world.ts";
import { basesRequest, rulesRequest } from "./rules-requests.ts";

const PAST = 1;
const FAR = 4_000_000_000_000;

const some = fc.constantFrom(
  ...["max_per_order=2", "max_per_customer=3", "max_active_holds=1", "max_per_customer=1000"],
  ...[
    `opens_at=${FAR}`,
    `opens_at=${PAST}`,
    `closes_at=${PAST}`,
    `closes_at=${PAST}`,
    `closes_at=${FAR}`,
    `closes_at=${PAST}`,
    `opens_at=${FAR}`,
  ],
  ...["paused=1", "hold_seconds=60", "max_hold_seconds=30", "max_extensions=2", "returns_free=1"],
);
// Most rules are mild, or hardly anything would be sold any more.
const rules = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.subarray(["max_per_customer=5", "max_per_order=3", "hold_seconds=60"]),
  },
  { weight: 5, arbitrary: fc.uniqueArray(some, { maxLength: 2 }) },
  { weight: 2, arbitrary: fc.constant([`closes_at=${PAST}`]) },
  { weight: 1, arbitrary: fc.constant(["max_per_order=two"]) },
);

const change = fc
  .record({
    ...{ sku, deadline, fingerprint, rules },
    idem,
    if_version: fc.constantFrom<number | string>("", "", "", "", "", 0, 1, "x"),
  })
  .map((spec) => rulesRequest({ ...spec, rules: spec.rules.join(" ") }));

// Of no units: nothing but the events may explain what customers have.
const bases = fc
  .record({ deadline, sku, place: fc.constantFrom<number | string>(1, 2, 3, 4, 5, 6, 7, 8, "x") })
  .map(({ deadline, ...base }) =>
    basesRequest({ deadline, bases: [{ ...base, user_id: "ada", units: 0, active: 0 }] }),
  );

/** A call that sets rules, or takes them away, or adds what customers had before they were counted. */
export const rulesStep = fc.oneof(
  { weight: 3, arbitrary: step("change_rules", batchOf(change, 2)) },
  { weight: 1, arbitrary: step("add_counts", batchOf(bases, 2)) },
);
