import { describe, expect, test } from "@jest/globals";
import { HOLD_EVENTS, STOCK_EVENTS } from "../../src/domain/event.ts";
import { MalformedEvent, parseEvent } from "../../src/domain/parse-event.ts";
import { changed, eventFields, stockPayloadOf } from "./events.ts";

function malformed(fields: Record<string, string>, message: RegExp) {
  expect(() => parseEvent(fields)).toThrow(MalformedEvent);
  expect(() => parseEvent(fields)).toThrow(message);
}

describe("an entry is no event", () => {
  const stockMembers = ["event_version", "occurred_at", "request_id", "actor", "lines"];
  test.each(stockMembers)("when it changes stock without payload.%s", (member) => {
    // Any member may go.
    const { [member]: _, ...payload } = { ...stockPayloadOf() } as Record<string, unknown>;
    malformed(eventFields({ type: "STOCK_ADJUSTED" }, payload), new RegExp(`^${member}: `));
  });

  test.each([
    ["STOCK_TRANSFERRED", "from_store"],
    ["STOCK_TRANSFERRED", "to_store"],
    ["STOCK_COUNTED", "on_hand"],
  ] as const)("when it is a %s without %s", (type, member) => {
    const { [member]: _, ...payload } = stockPayloadOf(type);
    malformed(eventFields({ type }, payload), new RegExp(`^${member}: `));
  });

  const stockLine = stockPayloadOf().lines[0];
  test.each(Object.keys(stockLine ?? {}))("when it changes stock without lines.0.%s", (member) => {
    const { [member]: _, ...rest } = { ...stockLine } as Record<string, unknown>; // any member may go
    const payload = changed(stockPayloadOf(), ["lines"], [rest]);
    malformed(eventFields({ type: "STOCK_ADJUSTED" }, payload), new RegExp(`^lines.0.${member}: `));
  });

  const badStock: ["STOCK_ADJUSTED" | "STOCK_COUNTED" | "STOCK_TRANSFERRED", string, unknown[]][] =
    [
      ["STOCK_ADJUSTED", "event_version", [0, 2, "1", null]],
      ["STOCK_ADJUSTED", "occurred_at", [-1, 1.5, "1", null, 8.65e15]],
      ["STOCK_ADJUSTED", "request_id", [1, null, {}]],
      ["STOCK_ADJUSTED", "actor", [1, null, {}]],
      ["STOCK_ADJUSTED", "reason", [1, null]],
      ["STOCK_ADJUSTED", "reference", [1, null]],
      ["STOCK_ADJUSTED", "notes", [1, null]],
      ["STOCK_ADJUSTED", "trace_id", [1, null]],
      ["STOCK_ADJUSTED", "lines", [[], {}, null, "x", [null], ["x"]]],
      ["STOCK_TRANSFERRED", "from_store", ["", "a@b", 1, null]],
      ["STOCK_TRANSFERRED", "to_store", ["", "a@b", 1, null]],
      ["STOCK_COUNTED", "on_hand", [-1, 1.5, "1", null]],
    ];
  test.each(badStock)("when it is a %s with a bad payload.%s", (type, member, values) => {
    for (const value of values) {
      const payload = changed(stockPayloadOf(type), [member], value);
      malformed(eventFields({ type }, payload), new RegExp(`^${member}`));
    }
  });

  const badLine: [string, unknown[]][] = [
    ["sku", ["", "a b", "a@b", 1, null]],
    ["store_id", ["", "a:b", 1, null]],
    ["available_delta", [1.5, "1", null, -9_007_199_254_740_992, 9_007_199_254_740_992]],
    ["available", [-1, 1.5, "1", null]],
    ["held", [-1, 1.5, "1", null]],
    ["version", [0, -1, 1.5, "1", null]],
  ];
  test.each(badLine)("when it changes stock with a bad lines.0.%s", (member, values) => {
    for (const value of values) {
      const payload = changed(stockPayloadOf(), ["lines", 0, member], value);
      malformed(
        eventFields({ type: "STOCK_ADJUSTED" }, payload),
        new RegExp(`^lines.0.${member}: `),
      );
    }
  });

  test("when it has the payload of another kind of event", () => {
    for (const type of STOCK_EVENTS) malformed(eventFields({ type }), /^actor: /);
    for (const type of Object.keys(HOLD_EVENTS)) {
      malformed(eventFields({ type }, stockPayloadOf()), /^hold_id: /);
    }
  });
});
