import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import {
  HOLD_STATUSES,
  type Hold,
  type Line,
  parseLines,
  statusAt,
  sumLines,
} from "../../src/domain/hold.ts";
import { QUANTITY_MAX } from "../../src/domain/limits.ts";

const hold = (more: Partial<Hold> = {}): Hold => ({
  hold_id: "H-1",
  status: "ACTIVE",
  user_id: "user-1",
  lines: [],
  created_at: 1,
  expires_at: 1_000,
  version: 1,
  ...more,
});

describe("a hold's status", () => {
  test.each([
    [999, "ACTIVE"],
    [1_000, "EXPIRED"],
    [1_001, "EXPIRED"],
  ])("at %d of a deadline at 1000 is %s, swept or not", (now, status) => {
    expect(statusAt(hold(), now)).toBe(status);
  });

  test("stays what it ended as, before its deadline and after", () => {
    for (const status of HOLD_STATUSES.filter((word) => word !== "ACTIVE")) {
      for (const now of [1, 1_000, 9_999]) expect(statusAt(hold({ status }), now)).toBe(status);
    }
  });
});

describe("lines that are summed", () => {
  const line = (sku: string, quantity: number, store_id = "main") => ({ sku, store_id, quantity });

  test("are one for each stock, in the order in which they were first named", () => {
    const lines = [line("b", 1), line("a", 2), line("b", 3), line("a", 4, "north"), line("a", 5)];
    const before = structuredClone(lines);
    expect(sumLines(lines)).toEqual([line("b", 4), line("a", 7), line("a", 4, "north")]);
    expect(lines).toEqual(before);
  });

  test("are what they were when none is named twice", () => {
    for (const lines of [[], [line("a", 1)], [line("a", 1), line("a", 1, "north")]]) {
      expect(sumLines(lines)).toEqual(lines);
    }
  });
});

describe("the text of a hold's lines", () => {
  test("is read in order", () => {
    expect(parseLines("phone@main=2 a.b-c_D@north=1000")).toEqual([
      { sku: "phone", store_id: "main", quantity: 2 },
      { sku: "a.b-c_D", store_id: "north", quantity: 1_000 },
    ]);
  });

  test.each(["1", "9", "10", "999", `${QUANTITY_MAX}`])("may say %s units", (quantity) => {
    expect(parseLines(`a@b=${quantity}`)).toEqual([
      { sku: "a", store_id: "b", quantity: Number(quantity) },
    ]);
  });

  test.each([
    ...["", " ", "phone", "phone@main", "phone=1", "@main=1", "phone@=1", "phone@main="],
    ...["a@b=0", "a@b=01", "a@b=-1", "a@b=1.5", "a@b=1e1", "a@b=10000", "a@b=x", "a@b=1 "],
    ...[" a@b=1", "a@b=1  a@c=1", "a@b@c=1", "a@b=1=1", "a@b=1,a@c=1", "a@b=1\n"],
    `a@b=${QUANTITY_MAX + 1}`,
  ])("is none when it is %j", (text) => {
    expect(parseLines(text)).toBeNull();
  });

  test("is read back as it was written, whatever the codes", () => {
    const code = fc.stringMatching(/^[A-Za-z0-9._-]{1,64}$/);
    const line = fc.record({
      sku: code,
      store_id: code,
      quantity: fc.integer({ min: 1, max: QUANTITY_MAX }),
    });
    const selector = ({ sku, store_id }: Line) => `${sku}@${store_id}`;
    fc.assert(
      fc.property(fc.uniqueArray(line, { minLength: 1, maxLength: 100, selector }), (lines) => {
        const text = lines.map((l) => `${l.sku}@${l.store_id}=${l.quantity}`).join(" ");
        expect(parseLines(text)).toEqual(lines);
      }),
    );
  });

  test("is refused or read, never thrown at, whatever it is", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const lines = parseLines(text);
        expect(lines === null || lines.length > 0).toBe(true);
      }),
    );
  });
});
