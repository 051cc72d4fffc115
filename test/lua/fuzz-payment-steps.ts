import fc from "fast-check";
import { batchOf, quantity, SKUS, step } from "./fuzz-world.ts";
import { settleRequest } from "./payment-requests.ts";
import type { EndingSpec, PartSpec } from "./script-side.ts";

/** What is to be sold of a hold: all of it, most of the time. */
export const parts = fc.oneof(
  { weight: 2, arbitrary: fc.constant<PartSpec[]>([]) },
  {
    weight: 1,
    arbitrary: fc.array(fc.record({ sku: fc.constantFrom(...SKUS, "ghost"), quantity }), {
      maxLength: 2,
    }),
  },
);

const recorded = fc.oneof(
  { weight: 2, arbitrary: fc.constant(undefined) },
  { weight: 1, arbitrary: fc.constant("NONE" as const) },
  {
    weight: 3,
    arbitrary: fc.record({
      status: fc.constantFrom("EXPIRED", "EXPIRED", "CANCELLED", "CONFIRMED", "ACTIVE", "GONE"),
      user_id: fc.constantFrom("ada", ""),
      version: fc.constantFrom<number | string>(2, 2, 3, "x"),
    }),
  },
);

/** A call that settles payments of holds that `ending` names. */
export const settleStepOf = (ending: fc.Arbitrary<EndingSpec>) =>
  step(
    "settle_payments",
    batchOf(
      fc
        .tuple(ending, fc.constantFrom("p1", "p1", "p2", "p3"), recorded, parts)
        .map(([common, payment_ref, known, some]) =>
          settleRequest({ ...common, payment_ref, recorded: known, parts: some }),
        ),
      4,
    ),
  );
