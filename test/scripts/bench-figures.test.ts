import { expect, test } from "@jest/globals";
import { median, type Row, rowOf } from "../../scripts/bench/figures.ts";
import { checkTargets } from "../../scripts/bench/targets.ts";

test.each([
  [[], undefined],
  [[7], 7],
  [[9, 1], 5],
  [[9, 1, 2], 2],
  [[4, 1, 9, 2], 3],
])("the median of %j is %j", (values, expected) => {
  expect(median(values)).toBe(expected);
});

test("a row has the median of each figure by itself, of the runs that have it", () => {
  const runs = [
    { rate: 3, p99_ms: 10 },
    { rate: 1, p99_ms: 30 },
    { rate: 2, p99_ms: undefined },
  ];
  const row = rowOf({ scenario: "test", label: "" }, runs, { bytes_per_hold: 7 });
  expect(row.median).toEqual({ rate: 2, p99_ms: 20, bytes_per_hold: 7 });
  expect(row.runs).toBe(runs);
});

const row = (scenario: string, clients: number, figures: Row["median"]): Row => ({
  scenario,
  label: "",
  clients,
  median: figures,
  runs: [],
});

test("scenarios are compared by what part of noop each of them reaches", () => {
  const targets = checkTargets([
    row("reserve-hot", 64, { rate: 600, noop_ratio: 0.6 }),
    row("postgres", 64, { rate: 500, noop_ratio: 0.05 }), // while the machine was ten times as fast
    row("one-by-one", 64, { rate: 1, noop_ratio: 0.5 }),
  ]);
  expect(targets).toEqual([
    {
      name: "reserve-hot, 64 clients, × postgres",
      limit: "at least 10",
      measured: "12.00",
      outcome: "MET",
    },
    {
      name: "reserve-hot, 64 clients, × one-by-one",
      limit: "at least 1.5",
      measured: "1.20",
      outcome: "MISSED",
    },
  ]);
});

test.each([
  [19_999, 33_000, "MISSED"],
  [20_000, 33_000, "MET"],
  [19_999, 32_999, "DOES_NOT_APPLY"],
  [20_000, 32_999, "MET"],
])("%d/s where noop does %d: %s", (rate, noop_rate, outcome) => {
  const targets = checkTargets([row("reserve-hot", 256, { rate, noop_rate })]);
  expect(targets.map((target) => target.outcome)).toEqual([outcome]);
});
