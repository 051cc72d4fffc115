import { describe, expect, test } from "@jest/globals";
import { compareEntryIds, earlierEntry, laterEntry } from "../../src/domain/entry-id.ts";
import {
  CODE_PATTERN,
  HOLD_ID_PATTERN,
  newEventId,
  newHoldId,
  newOrderId,
  newRequestId,
} from "../../src/domain/ids.ts";
import { Rejection } from "../../src/domain/rejection.ts";

describe("ids", () => {
  test.each([
    ["hold", newHoldId, HOLD_ID_PATTERN],
    ["order", newOrderId, /^O-[0-9a-f-]{36}$/],
    ["event", newEventId, /^[0-9a-f-]{36}$/],
  ] as const)("of a new %s have their form and rise with time", (_, make, pattern) => {
    const made = Array.from({ length: 1_000 }, make);
    for (const id of made) expect(id).toMatch(pattern);
    expect(new Set(made).size).toBe(1_000);
    expect([...made].sort()).toEqual(made);
  });

  test("of new requests have their form, and differ", () => {
    const made = Array.from({ length: 1_000 }, newRequestId);
    for (const id of made) expect(id).toMatch(/^[0-9a-f-]{36}$/);
    expect(new Set(made).size).toBe(1_000);
  });

  test.each(["a", "iphone_15_pro_256", "A.b-C_9", "x".repeat(64), "__proto__", "constructor"])(
    "%s is a code",
    (text) => expect(text).toMatch(CODE_PATTERN),
  );

  test.each(["", "x".repeat(65), "a b", "a:b", "a@b", "a*", "{a}", "a\n", "a\0", "é", "🦆", "１"])(
    "%j is no code",
    (text) => expect(text).not.toMatch(CODE_PATTERN),
  );

  test.each(["", "H-", "H-1", `${newHoldId()} `, newHoldId().toUpperCase(), newOrderId()])(
    "%j is no hold's id",
    (text) => expect(text).not.toMatch(HOLD_ID_PATTERN),
  );
});

describe("entry ids", () => {
  test.each([
    ["1-0", "1-0", 0],
    ["1-0", "1-1", -1],
    ["1-9", "1-10", -1],
    ["9-0", "10-0", -1],
    ["2-0", "1-99", 1],
    ["1700000000000-0", "1700000000000-1", -1],
  ])("%s and %s compare as Redis orders them", (a, b, order) => {
    expect(Math.sign(compareEntryIds(a, b))).toBe(order);
    expect(Math.sign(compareEntryIds(b, a))).toBe(0 - order);
    expect(laterEntry(a, b)).toBe(order > 0 ? a : b);
    expect(earlierEntry(a, b)).toBe(order > 0 ? b : a);
  });
});

test("a rejection says what happened, and what programs may use of it", () => {
  const rejection = new Rejection("SOLD_OUT", "5 of phone requested.", { requested: 5 });
  expect(rejection).toMatchObject({
    code: "SOLD_OUT",
    detail: "5 of phone requested.",
    members: { requested: 5 },
  });
  expect(new Rejection("NOT_FOUND", "Nothing.").members).toEqual({});
});
