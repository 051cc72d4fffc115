import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { findOrder, type Operation, type Spec } from "./linearize.ts";

// A counter. Adding to it and setting it tell what it has become; looking tells only whether that is odd.
type Input = { does: "add" | "set" | "look"; n: number };
type Step = Operation<Input, number>;
const counter: Spec<number, Step> = {
  first: 0,
  next(state, { input: { does, n }, output }) {
    if (does === "look") return output === state % 2 ? [state] : [];
    const after = does === "add" ? state + n : n;
    if (output === undefined) return after === state ? [] : [after];
    return output === after ? [after] : [];
  },
  staysIdle: ({ input }) => input.does === "look",
  textOf: String,
};
const add = (n: number): Input => ({ does: "add", n });

/** Every order of some of them. */
function* ordersOf<T>(all: T[]): Generator<T[]> {
  yield [];
  for (const [i, one] of all.entries()) {
    for (const rest of ordersOf(all.toSpliced(i, 1))) yield [one, ...rest];
  }
}

function explains(order: Step[], history: Step[]): boolean {
  const left = history.filter((operation) => !order.includes(operation));
  if (left.some(({ output }) => output !== undefined)) return false;
  if (order.some(({ called }, i) => order.slice(i + 1).some((later) => later.returned < called)))
    return false;
  let states = [counter.first];
  for (const operation of order) {
    states = states.flatMap((state) => counter.next(state, operation));
  }
  return states.length > 0;
}

const step = fc
  .record({
    input: fc.record({
      does: fc.constantFrom("add", "add", "set", "look"),
      n: fc.nat({ max: 2 }),
    }),
    called: fc.nat({ max: 6 }),
    took: fc.nat({ max: 4 }),
    output: fc.option(fc.nat({ max: 3 }), { nil: undefined, freq: 3 }),
    hint: fc.option(fc.nat({ max: 4 }), { nil: undefined }),
  })
  .map(({ took, ...rest }): Step => ({ ...rest, returned: rest.called + took }));

const RUNS = 5_000;

describe("the search", () => {
  test("finds an order just when one of all orders explains the history", () => {
    const found = { yes: 0, no: 0 };
    fc.assert(
      fc.property(fc.array(step, { minLength: 2, maxLength: 5 }), (history) => {
        const one = ordersOf(history).find((order) => explains(order, history));
        const { order, gave_up } = findOrder(counter, history);
        expect(gave_up).toBe(false);
        expect(order !== undefined).toBe(one !== undefined);
        if (order) expect(explains(order, history)).toBe(true);
        found[order ? "yes" : "no"] += 1;
      }),
      { numRuns: RUNS },
    );
    expect(Math.min(found.yes, found.no)).toBeGreaterThan(RUNS / 50);
  });

  test("tries what would change nothing now in other places, too", () => {
    const at_once = { called: 0, returned: 1 };
    const set: Step = { ...at_once, input: { does: "set", n: 0 }, output: 0 };
    const history = [set, ...[1, 2].map((n) => ({ ...at_once, input: add(n), output: n }))];
    expect(findOrder(counter, history).order?.[1]).toEqual(set);
  });

  test.each([1, 2])("finds which of two was the last, when that was the one to %i", (last) => {
    const set = (n: number): Step => {
      return { input: { does: "set", n }, called: 0, returned: 5, output: n };
    };
    const then = { input: add(3), called: 6, returned: 7, output: last + 3 };
    expect(findOrder(counter, [set(1), set(2), then]).order?.[1]).toEqual(set(last));
  });

  test("finds the order of many operations that overlapped", () => {
    let sum = 0;
    const history = Array.from({ length: 400 }, (_, i): Step => {
      const n = i % 3;
      // Each fifth goes without an answer; every other one of these never happens.
      const happens = i % 10 !== 5;
      if (happens) sum += n;
      const output = i % 5 === 0 ? undefined : sum;
      return { input: add(n), called: i, returned: i + 10, output };
    });
    const { order, steps } = findOrder(counter, history);
    expect(order).toBeDefined();
    expect(steps).toBeLessThan(5_000);
  });

  test("tells how far it came when there is no order", () => {
    const one = { input: add(1), called: 0, returned: 1, output: 1 };
    const wrong = { input: add(1), called: 2, returned: 3, output: 1 };
    expect(findOrder(counter, [wrong, one])).toMatchObject({ order: undefined, deepest: [one] });
  });

  test("gives up after so many steps, and does not call the history right or wrong", () => {
    const lost = Array.from({ length: 12 }, (_, i): Step => {
      return { input: add(2 ** i), called: 0, returned: 1, output: undefined };
    });
    const never = [...lost, { input: add(1), called: 2, returned: 3, output: -1 }];
    expect(findOrder(counter, never, 1_000)).toMatchObject({ order: undefined, gave_up: true });
    expect(findOrder(counter, never)).toMatchObject({ order: undefined, gave_up: false });
  });
});
