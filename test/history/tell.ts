import type { Found } from "./linearize.ts";
import type { SkuOperation } from "./operations.ts";

const TOLD_MAX = 12;

/** What somebody needs to see who asks why no order explains a history: where the search got stuck. */
export function tell(history: SkuOperation[], found: Found<SkuOperation>): string {
  const { deepest, steps, gave_up } = found;
  const left = history.filter((operation) => !deepest.includes(operation));
  const first = left.toSorted((a, b) => a.returned - b.returned).slice(0, TOLD_MAX);
  return [
    gave_up ? `Gave up after ${steps} steps.` : `No order explains it, in ${steps} steps.`,
    `Of ${history.length} operations, these are explained:`,
    ...(deepest.length > TOLD_MAX ? ["..."] : []),
    ...deepest.slice(-TOLD_MAX).map(lineOf),
    "and then none of these:",
    ...first.map(lineOf),
  ].join("\n");
}

function lineOf({ input, called, returned, output }: SkuOperation): string {
  const from = called.toFixed(1).slice(-8);
  const took = (returned - called).toFixed(1);
  const answer = output ? JSON.stringify(output) : "no answer";
  return `${from} + ${took} ms  ${JSON.stringify(input)}  ${answer}`;
}
