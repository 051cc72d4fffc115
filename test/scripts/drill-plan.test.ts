import { expect, test } from "@jest/globals";
import { planFaults } from "../../scripts/drill/fault-plan.ts";
import { type FaultKind, INTACT_KINDS, kindOf } from "../../scripts/drill/kinds.ts";
import { readOptions } from "../../scripts/drill/options.ts";
import { planOffer, planShopper } from "../../scripts/drill/shopper-plan.ts";

const SEEDS = Array.from({ length: 20 }, (_, seed) => seed);
const DEATHS_MAX = 4;
const DEATHS_WITHIN_MS = 30_000;

test("the same seed plans the same faults, another one others", () => {
  const plan = (seed: number) => planFaults({ seed, seconds: 80, kinds: INTACT_KINDS });
  expect(plan(7)).toEqual(plan(7));
  expect(new Set(SEEDS.map((seed) => JSON.stringify(plan(seed)))).size).toBe(SEEDS.length);
});

test("the same seed plans the same shoppers, whoever else comes", () => {
  const sale = { seed: 7, seconds: 80, shoppers: 20_000, offer: planOffer(1_000) };
  const first = planShopper(17, sale);
  planShopper(18, sale);
  expect(planShopper(17, sale)).toEqual(first);
  expect(planShopper(17, { ...sale, seed: 8 })).not.toEqual(first);
});

test.each([[80], [20], [5]])(
  "in %d s each kind of fault happens, while shoppers come",
  (seconds) => {
    for (const seed of SEEDS) {
      const plan = planFaults({ seed, seconds, kinds: INTACT_KINDS });
      expect(new Set(plan.map(({ kind }) => kind))).toEqual(new Set(INTACT_KINDS));
      expect(plan.map(({ at_ms }) => at_ms)).toEqual(
        plan.map(({ at_ms }) => at_ms).toSorted((a, b) => a - b),
      );
      expect(plan[0]?.at_ms).toBeGreaterThanOrEqual(seconds * 50);
      expect(plan.at(-1)?.at_ms).toBeLessThanOrEqual(seconds * 820);
      for (const { kind, frozen_ms } of plan) {
        if (kindOf(kind).how !== "FREEZE") expect(frozen_ms).toBeUndefined();
        else expect(frozen_ms).toBeGreaterThanOrEqual(1_000);
        expect(frozen_ms ?? 0).toBeLessThanOrEqual(5_000);
      }
    }
  },
);

// Or the supervisor gives it up.
const ONLY: FaultKind[][] = [["redis"], ["api", "redis"], ["api", "worker", "redis", "postgres"]];
test.each(ONLY.map((kinds) => [kinds.join(","), kinds] as const))(
  "with --faults %s no part dies more often than its supervisor puts up with",
  (_, kinds) => {
    for (const seed of SEEDS) {
      const plan = planFaults({ seed, seconds: 300, kinds: [...kinds] });
      for (const kind of kinds) {
        const deaths = plan.filter((fault) => fault.kind === kind).map(({ at_ms }) => at_ms);
        const crowds = deaths.map((at_ms) => {
          const until_ms = at_ms + DEATHS_WITHIN_MS;
          return deaths.filter((other) => other >= at_ms && other < until_ms).length;
        });
        expect(Math.max(...crowds)).toBeLessThanOrEqual(DEATHS_MAX);
      }
    }
  },
);

test("shoppers come one after the other, for what is on sale by then", () => {
  const offer = planOffer(1_000);
  const sale = { seed: 1, seconds: 80, shoppers: 2_000, offer };
  const plans = Array.from({ length: sale.shoppers }, (_, i) => planShopper(i, sale));
  const times = plans.map(({ comes_at_ms }) => comes_at_ms);
  expect(times).toEqual(times.toSorted((a, b) => a - b));
  expect(times.at(-1)).toBeLessThanOrEqual(80_000);
  expect(new Set(plans.map(({ product }) => product))).toEqual(new Set(offer.keys()));
  const first = plans.slice(0, 40).map(({ product }) => product);
  expect(new Set(first)).toEqual(new Set(["product-01"]));
  // Nothing that shoppers can do is left out.
  expect(new Set(plans.map(({ ending }) => ending)).size).toBe(7);
  expect(new Set(plans.map(({ asking }) => asking)).size).toBe(4);
  for (const { ending, ttl_seconds } of plans) {
    if (ending === "PAY_LATE" || ending === "ABANDON") expect(ttl_seconds).toBeLessThan(3);
  }
});

test.each([[1], [24], [25], [26], [1_000], [1_001]])(
  "%d units are offered, all of them",
  (units) => {
    const offer = [...planOffer(units).values()];
    expect(offer.reduce((sum, some) => sum + some, 0)).toBe(units);
    expect(Math.max(...offer)).toBeLessThanOrEqual(25);
  },
);

test("without options it is the sale of 1,000 units and 20,000 shoppers, and nothing is lost", () => {
  const { shoppers, units, kinds, seed } = readOptions([]);
  expect({ shoppers, units }).toEqual({ shoppers: 20_000, units: 1_000 });
  expect(kinds).toEqual(expect.arrayContaining(["api", "freeze-postgres"]));
  expect(kinds).not.toContain("flushall");
  expect(readOptions([]).seed).not.toBe(seed);
});

test("--faults takes a list, with what loses data when it is named", () => {
  expect(readOptions(["--faults", "redis,flushall,redis"]).kinds).toEqual(["redis", "flushall"]);
});

test.each([
  [["--seed", "x"], "--seed takes a whole number from 0 to 999999, not x"],
  [["--seconds", "4"], "--seconds takes a whole number from 5 to 600, not 4"],
  [["--shoppers", "0"], "--shoppers takes a whole number from 1 to 200000, not 0"],
  [["--units", "1.5"], "--units takes a whole number from 1 to 200000, not 1.5"],
  [["--faults", "api,earthquake"], 'there is no fault "earthquake"; there are api, worker, redis,'],
  [["--faults", ""], 'there is no fault ""'],
  [["--slowly"], "Unknown option '--slowly'"],
])("%p is refused in a sentence", (args, sentence) => {
  expect(() => readOptions(args)).toThrow(sentence);
});
