import fc from "fast-check";
import { changeLinesRequest, extendRequest } from "./changing-requests.ts";
import {
  batchOf,
  deadline,
  fingerprint,
  hold_id,
  mostlyNewIdem,
  SKUS,
  step,
} from "./fuzz-world.ts";
import type { LineSpec } from "./script-side.ts";

const common = { hold_id, deadline, fingerprint, idem: mostlyNewIdem };

const less = fc.oneof(
  { weight: 5, arbitrary: fc.constant<number | string>(0) },
  { weight: 5, arbitrary: fc.constantFrom<number | string>(1, 2, 3) },
  { weight: 1, arbitrary: fc.constantFrom<number | string>(1001, "01", "-1") },
);
const more = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom<number | string>(2, 3, 5, 7) },
  { weight: 1, arbitrary: less },
);
const if_version = fc.constantFrom<number | string>("", "", "", "", 1, 2, "x");
const others = fc.oneof(
  { weight: 5, arbitrary: fc.constant<string[]>([]) },
  { weight: 2, arbitrary: fc.subarray(SKUS, { minLength: 1, maxLength: 1 }) },
  { weight: 1, arbitrary: fc.constantFrom<string[]>(["ghost"], ["stopped"]) },
);

/**
 * A call that extends holds, or changes their lines.
 * @param linesOf the lines that a hold has by its id, unless it was changed before
 */
export function changingStep(linesOf: (hold_id: string) => LineSpec[]) {
  const extend = fc
    .record({
      ...common,
      ttl_ms: fc.constantFrom<number | string>(1, 90_000, 100_000, 86_400_000, 0),
    })
    .map((spec) => extendRequest({ ...spec, lines: linesOf(spec.hold_id) }));
  const changeOf = (quantity: fc.Arbitrary<number | string>, added: fc.Arbitrary<string[]>) =>
    fc
      .record({
        ...common,
        if_version,
        added,
        quantities: fc.array(quantity, { minLength: 3, maxLength: 3 }),
      })
      .map(({ added, quantities, ...spec }) => {
        const lines = linesOf(spec.hold_id);
        const skus = [...new Set([...lines.map(({ sku }) => sku), ...added])];
        const wanted = skus.map((sku, i) => ({ sku, quantity: quantities[i] ?? 0 }));
        return changeLinesRequest({ ...spec, lines, wanted });
      });
  return fc.oneof(
    { weight: 3, arbitrary: step("extend_holds", batchOf(extend, 4)) },
    { weight: 4, arbitrary: step("change_holds", batchOf(changeOf(more, others), 4)) },
    { weight: 3, arbitrary: step("reduce_holds", batchOf(changeOf(less, fc.constant([])), 4)) },
  );
}
