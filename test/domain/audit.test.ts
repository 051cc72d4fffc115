import { describe, expect, test } from "@jest/globals";
import { type AuditLook, judge } from "../../src/domain/audit.ts";
import { proposeRepair } from "../../src/domain/audit-repair.ts";

const counts = (available: number, held: number, version: number) => ({ available, held, version });

/** Ten came in, one of them was sold and two are held: at version 5 both sides agree. */
const ACCOUNT = {
  ...{ stocked: 0, adjusted: 10, returned: 0, sold: 1 },
  ...{ ...counts(7, 2, 5), held_outside: 0 },
};
const FINE: AuditLook = {
  redis: counts(7, 2, 5),
  account: ACCOUNT,
  level: counts(7, 2, 5),
  known_version: 5,
  at_version: ACCOUNT,
};
const NOTHING: AuditLook = {
  ...{ account: null, level: null, known_version: 0, at_version: null },
  redis: counts(3, 0, 0),
};
const kindOf = (verdict: ReturnType<typeof judge>) =>
  typeof verdict === "string" ? verdict : verdict.kind;

const CASES: [says: string, look: AuditLook, verdict: string][] = [
  ["both sides agree", FINE, "FINE"],
  ["it was only ever set by hand", NOTHING, "FINE"],
  ["the ledger lacks its first event", { ...NOTHING, redis: counts(3, 0, 1) }, "REDIS_AHEAD"],
  ["its keys can't be read", { ...FINE, redis: null }, "CORRUPT"],
  ["it has no level", { ...FINE, level: null }, "LEDGER_SUM"],
  ["it has no movements", { ...FINE, account: null }, "LEDGER_SUM"],
  ["the level has another version", { ...FINE, level: counts(7, 2, 6) }, "LEDGER_SUM"],
  [
    "its movements are from before they had versions",
    { ...FINE, account: { ...ACCOUNT, version: 0 }, known_version: 0, at_version: null },
    "FINE",
  ],
  [
    "the kinds add up to something else",
    { ...FINE, account: { ...ACCOUNT, sold: 2 } },
    "CONSERVATION",
  ],
  ["what came back counts", { ...FINE, account: { ...ACCOUNT, sold: 2, returned: 1 } }, "FINE"],
  ["Redis is one version ahead", { ...FINE, redis: counts(7, 2, 6) }, "REDIS_AHEAD"],
  ["Redis is one version behind", { ...FINE, redis: counts(7, 2, 4) }, "REDIS_BEHIND"],
  [
    "the ledger has gone on since, and knows what it was then",
    {
      ...{ ...FINE, redis: counts(8, 1, 4), known_version: 4 },
      at_version: { available: 8, held: 1, held_outside: 0 },
    },
    "FINE",
  ],
  [
    "the ledger has gone on since, and does not know what it was then",
    { ...FINE, redis: counts(8, 1, 4), known_version: 3, at_version: null },
    "UNKNOWN",
  ],
  ["one more is held", { ...FINE, redis: counts(7, 3, 5) }, "HELD"],
  [
    "one more is held, and the ledger was told so",
    {
      ...{ ...FINE, redis: counts(7, 2, 5) },
      account: { ...ACCOUNT, held_outside: 1 },
    },
    "HELD",
  ],
  ["one more is available", { ...FINE, redis: counts(8, 2, 5) }, "CHANGED_OUTSIDE"],
];
test.each(CASES)("when %s", (_, look, verdict) => {
  expect(kindOf(judge(look))).toBe(verdict);
});

describe("an adjustment is proposed", () => {
  const drift = { kind: "CHANGED_OUTSIDE", ledger: counts(7, 2, 5), level: null } as const;
  test.each([
    [counts(9, 2, 5), -2],
    [counts(0, 2, 5), 7],
    [counts(7, 2, 5), null],
    [counts(0, 20, 5), null], // would go negative
    [counts(2_000_000_000, 2, 5), null], // more than one adjustment takes
    [null, null],
  ])("for %j: %s", (redis, delta) => {
    expect(proposeRepair({ ...drift, redis }).delta).toBe(delta);
  });
});
