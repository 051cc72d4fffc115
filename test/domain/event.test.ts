import { describe, expect, test } from "@jest/globals";
import {
  firstEventIdAt,
  HOLD_EVENTS,
  MalformedEvent,
  parseEvent,
  stockDeltas,
} from "../../src/domain/event.ts";
import { newEventId } from "../../src/domain/ids.ts";
import { changed, eventFields, payloadOf } from "./events.ts";

const parse = (fields: Record<string, string>) => parseEvent(fields);
const malformed = (fields: Record<string, string>, message: RegExp) => {
  expect(() => parse(fields)).toThrow(MalformedEvent);
  expect(() => parse(fields)).toThrow(message);
};

describe("an event is read", () => {
  test.each(Object.entries(HOLD_EVENTS))("as %s, which leaves its hold %s", (type, status) => {
    const payload = payloadOf({ status });
    expect(parse(eventFields({ type }, payload))).toEqual({
      event_id: "0192b3a4-0000-7000-8000-000000000001",
      type,
      seq: 7,
      payload,
    });
  });

  test("without its members that this version does not know", () => {
    const payload = payloadOf();
    const grown = { ...payload, colour: "red", lines: [{ ...payload.lines[0], colour: "red" }] };
    expect(parse({ ...eventFields({}, grown), colour: "red" }).payload).toEqual(payload);
  });

  test("with a reason, an end, and counts of zero", () => {
    const payload = payloadOf({ status: "CANCELLED", reason: "", ended_at: 0 });
    const fields = eventFields(
      { type: "HOLD_CANCELLED" },
      changed(payload, ["lines", 0], { ...payload.lines[0], available: 0, held: 0 }),
    );
    expect(parse(fields).payload).toMatchObject({ reason: "", lines: [{ available: 0, held: 0 }] });
  });

  test.each(["1", "999999999999999"])("with seq %s", (seq) => {
    expect(parse(eventFields({ seq })).seq).toBe(Number(seq));
  });
});

test("an event's id is written as Postgres writes it, or it would not be known again", () => {
  const event_id = "0192B3A4-0000-7000-8000-00000000000A";
  expect(parse(eventFields({ event_id })).event_id).toBe(event_id.toLowerCase());
});

test("the ids of a millisecond's events lie between the first of it and the first of the next", () => {
  const before = Date.now();
  const ids = Array.from({ length: 1_000 }, newEventId);
  const after = Date.now();
  const all = [firstEventIdAt(before), ...ids, firstEventIdAt(after + 1)];
  expect(all.toSorted()).toEqual(all);
  expect(firstEventIdAt(before + 1) > firstEventIdAt(before)).toBe(true);
  expect(firstEventIdAt(-1)).toBe("00000000-0000-0000-0000-000000000000");
});

describe("an entry is no event", () => {
  test.each(["event_id", "type", "seq", "payload"])("without %s", (field) => {
    const { [field]: _, ...fields } = eventFields();
    malformed(fields, new RegExp(`^${field}: `));
  });

  test("without any field", () => malformed({}, /event_id.*type.*seq.*payload/));

  test.each([
    ["event_id", ["", "1", "0192b3a4", "0192b3a4-0000-7000-8000-00000000000g"]],
    ["type", ["", "hold_created", "HOLD_CHANGED", "toString", "__proto__"]],
    ["seq", ["", "0", "-1", "1.5", "01", "1e3", " 1", "1\n", "1000000000000000", "NaN"]],
    ["payload", ["", "{", "undefined", "null", "[]", "1", '"x"', "{}"]],
  ])("with a bad %s", (field, texts) => {
    for (const text of texts) {
      malformed({ ...eventFields(), [field]: text }, /./);
    }
  });

  const required = [
    ...["event_version", "occurred_at", "request_id", "hold_id", "status", "user_id"],
    ...["created_at", "expires_at", "version", "lines"],
  ];
  test.each(required)("without payload.%s", (member) => {
    const { [member]: _, ...payload } = { ...payloadOf() } as Record<string, unknown>; // any member may go
    malformed(eventFields({}, payload), new RegExp(`^${member}: `));
  });

  const line = payloadOf().lines[0];
  test.each(Object.keys(line ?? {}))("without lines.0.%s", (member) => {
    const { [member]: _, ...rest } = { ...line } as Record<string, unknown>; // any member may go
    malformed(eventFields({}, changed(payloadOf(), ["lines"], [rest])), /^lines\.0\./);
  });

  const bad: [(string | number)[], unknown[]][] = [
    [["event_version"], [0, 2, "1", null]],
    [["occurred_at"], [-1, 1.5, "1", null, 8.65e15]],
    [["created_at"], [-1, 1.5, "1", null, 8.65e15]],
    [["expires_at"], [-1, 1.5, "1", null, 8.65e15]],
    [["ended_at"], [-1, 1.5, "1", null, 8.65e15]],
    [["request_id"], [1, null, {}]],
    [["hold_id"], ["", "H-1", "0192b3a4-0000-7000-8000-000000000001", 1, null]],
    [["status"], ["", "active", "ASLEEP", 1, null]],
    [["user_id"], [1, null]],
    [["version"], [0, -1, 1.5, "1", null]],
    [["order_id"], [1, null]],
    [["payment_ref"], [1, null]],
    [["reason"], [1, null]],
    [["lines"], [[], {}, null, "x", [null], ["x"]]],
    [
      ["lines", 0, "sku"],
      ["", "a b", "a@b", "é", "x".repeat(65), 1, null],
    ],
    [
      ["lines", 0, "store_id"],
      ["", "a:b", "x".repeat(65), 1, null],
    ],
    [
      ["lines", 0, "quantity"],
      [0, -1, 1.5, "1", null],
    ],
    [
      ["lines", 0, "available"],
      [-1, 1.5, "1", null],
    ],
    [
      ["lines", 0, "held"],
      [-1, 1.5, "1", null],
    ],
    [
      ["lines", 0, "version"],
      [0, -1, 1.5, "1", null],
    ],
  ];
  test.each(bad)("with a bad payload.%j", (path, values) => {
    for (const value of values) {
      malformed(eventFields({}, changed(payloadOf(), path, value)), new RegExp(path.join("\\.")));
    }
  });

  test("when its type and its hold's status contradict each other", () => {
    for (const [type, status] of Object.entries(HOLD_EVENTS)) {
      for (const other of Object.values(HOLD_EVENTS)) {
        if (other === status) continue;
        malformed(eventFields({ type }, payloadOf({ status: other })), /^payload\.status: /);
      }
    }
  });

  test.each(["order_id", "payment_ref"])("when it sells without %s", (member) => {
    const { [member]: _, ...sold } = { ...payloadOf({ status: "CONFIRMED" }) } as Record<
      string,
      unknown
    >; // any member may go
    malformed(eventFields({ type: "HOLD_CONFIRMED" }, sold), /HOLD_CONFIRMED without/);
    malformed(eventFields({ type: "HOLD_CONFIRMED" }, { ...sold, [member]: "" }), /without/);
  });
});

test("each event moves its units from where they were to where they are", () => {
  expect(stockDeltas("HOLD_CREATED", 3)).toEqual({ available_delta: -3, held_delta: 3 });
  expect(stockDeltas("HOLD_CONFIRMED", 3)).toEqual({ available_delta: 0, held_delta: -3 });
  expect(stockDeltas("HOLD_CANCELLED", 3)).toEqual({ available_delta: 3, held_delta: -3 });
  expect(stockDeltas("HOLD_EXPIRED", 3)).toEqual({ available_delta: 3, held_delta: -3 });
});
