import { describe, expect, test } from "@jest/globals";
import {
  EVENT_TYPES,
  firstEventIdAt,
  HOLD_EVENTS,
  type HoldEventType,
  isHoldEvent,
  PAYMENT_EVENTS,
  RULES_EVENTS,
  STOCK_EVENTS,
  WAITER_EVENTS,
} from "../../src/domain/event.ts";
import { newEventId } from "../../src/domain/ids.ts";
import { changesOf } from "../../src/domain/line-changes.ts";
import { MalformedEvent, parseEvent } from "../../src/domain/parse-event.ts";
import {
  changed,
  eventFields,
  eventOf,
  payloadOf,
  stockEventOf,
  stockPayloadOf,
} from "./events.ts";

const parse = (fields: Record<string, string>) => parseEvent(fields);
const malformed = (fields: Record<string, string>, message: RegExp) => {
  expect(() => parse(fields)).toThrow(MalformedEvent);
  expect(() => parse(fields)).toThrow(message);
};

describe("an event is read", () => {
  test.each(Object.entries(HOLD_EVENTS))("as %s, which leaves its hold %s", (type, status) => {
    const payload = payloadOf({ status });
    const event = parse(eventFields({ type }, payload));
    expect(event).toEqual({
      event_id: "0192b3a4-0000-7000-8000-000000000001",
      type,
      seq: 7,
      generation: 0,
      payload,
      payload_json: JSON.stringify(payload),
    });
    expect(isHoldEvent(event)).toBe(true);
  });

  test("with the generation of its Redis, 0 when it names none", () => {
    expect(parse(eventFields({})).generation).toBe(0);
    expect(parse(eventFields({ generation: "12" })).generation).toBe(12);
    for (const generation of ["", "-1", "1.5", "x"]) {
      expect(() => parse(eventFields({ generation }))).toThrow("generation");
    }
  });

  test.each(STOCK_EVENTS)("as %s, which has no hold", (type) => {
    const payload = stockPayloadOf(type);
    const event = parse(eventFields({ type }, payload));
    expect(event).toEqual({
      event_id: "0192b3a4-0000-7000-8000-000000000001",
      type,
      seq: 7,
      generation: 0,
      payload,
      payload_json: JSON.stringify(payload),
    });
    expect(isHoldEvent(event)).toBe(false);
  });

  test("with everything that a change of stock may say of itself", () => {
    const words = { reason: "damage", reference: "", notes: "two broke", trace_id: "t-1" };
    const payload = stockPayloadOf("STOCK_COUNTED", { ...words, actor: "", on_hand: 0 });
    expect(parse(eventFields({ type: "STOCK_COUNTED" }, payload)).payload).toEqual(payload);
  });

  test("with its payload kept letter by letter, whatever this version reads of it", () => {
    const payload = ` { "colour" : "r\\u0065d", "e":1.0e0,${JSON.stringify(payloadOf()).slice(1)}\n`;
    const event = parse(eventFields({ payload }));
    expect(event.payload_json).toBe(payload);
    expect(event.payload).toEqual(payloadOf());
  });

  test("that is sold without naming a payment", () => {
    for (const type of ["HOLD_CONFIRMED", "HOLD_PURCHASED"]) {
      const { payment_ref: _, ...sold } = payloadOf({ status: "CONFIRMED" });
      expect(parse(eventFields({ type }, sold)).payload).toEqual(sold);
    }
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
    ["type", ["", "hold_created", "HOLD_LOST", "toString", "__proto__"]],
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

  test.each(["HOLD_CONFIRMED", "HOLD_PURCHASED"])("when it is a %s without an order", (type) => {
    const { order_id: _, ...sold } = payloadOf({ status: "CONFIRMED" });
    malformed(eventFields({ type }, sold), new RegExp(`a ${type} without order_id`));
    malformed(eventFields({ type }, { ...sold, order_id: "" }), /without order_id/);
  });
});

describe("each event moves its units from where they were to where they are", () => {
  test.each<[HoldEventType, number, number]>([
    ["HOLD_CREATED", -3, 3],
    ["HOLD_CONFIRMED", 0, -3],
    ["HOLD_CANCELLED", 3, -3],
    ["HOLD_EXPIRED", 3, -3],
    ["HOLD_PURCHASED", -3, 0],
  ])("%s", (type, available_delta, held_delta) => {
    const stock = { quantity: 3, available: 7, held: 5, version: 2 };
    const state = { sku: "phone", store_id: "main", available: 7, held: 5, version: 2 };
    expect(changesOf(eventOf(1, type, stock))).toEqual([
      expect.objectContaining({ ...state, available_delta, held_delta }),
    ]);
  });

  test.each(STOCK_EVENTS)("%s, which leaves what is held alone", (type) => {
    const { lines } = stockPayloadOf(type);
    const event = stockEventOf(1, type, { available_delta: 1, available: 1, held: 0, version: 1 });
    expect(changesOf({ ...event, payload: { ...event.payload, lines } })).toEqual(
      lines.map((line) => ({ ...line, held_delta: 0 })),
    );
  });

  test("and these are all there are", () => {
    expect(EVENT_TYPES).toHaveLength(15);
    const groups = [
      ...Object.keys(HOLD_EVENTS),
      ...STOCK_EVENTS,
      ...RULES_EVENTS,
      ...PAYMENT_EVENTS,
      ...WAITER_EVENTS,
    ];
    expect(new Set(EVENT_TYPES)).toEqual(new Set(groups));
  });
});
