import { expect } from "@jest/globals";
import { HOLD_ID_PATTERN } from "../../../src/domain/ids.ts";
import {
  addFact,
  corruptAnswer,
  type Decision,
  earlierAnswer,
  KEYED_WORDS,
  learnTime,
  type Model,
  type ModelHold,
  refuse,
  remember,
  stockOf,
  sumLines,
} from "../model.ts";
import type { Answer, Reserve, Span } from "../requests.ts";
import { moveUnits, newId } from "./hold-changes.ts";

export const reserveWords = [
  ...KEYED_WORDS,
  "CREATED",
  "SOLD_OUT",
  "ALL_HELD",
  "UNKNOWN_SKU",
  "INVALID_REQUEST",
];
const QUANTITY_MAX = 1_000;

export function reserve(model: Model, request: Reserve, said: Answer): Decision {
  const lines = sumLines(request.lines);
  if (lines.some(({ quantity }) => quantity > QUANTITY_MAX)) return refuse("INVALID_REQUEST");
  if (request.late) return refuse("LATE");
  const refused = corruptAnswer(model, lines) ?? earlierAnswer(model, request);
  if (refused) return refused;
  const unknown = lines.find((line) => !stockOf(model, line).known);
  if (unknown) return refuse("UNKNOWN_SKU", { sku: unknown.sku });
  const short = lines
    .map((line) => ({ ...line, requested: line.quantity, ...stockOf(model, line) }))
    .filter(({ requested, available }) => requested > available)
    .map(({ sku, store_id, requested, available, held }) => {
      return { sku, store_id, requested, available, held };
    });
  const [first] = short;
  if (first) {
    const { sku, requested, available, held } = first;
    const word = short.every((line) => line.held > 0) ? "ALL_HELD" : "SOLD_OUT";
    const all = request.route === "v1_reserve" || lines.length > 1 ? { lines: short } : {};
    return refuse(word, { sku, requested, available, held, ...all });
  }
  const says = {
    hold_id: said.hold_id,
    expires_at: said.expires_at,
    created_at: said.created_at,
  };
  const effect = (span: Span) => {
    const hold_id = newId(said.hold_id, HOLD_ID_PATTERN, model);
    const expires_at = Number(said.expires_at);
    const created = addFact(model, "HOLD_CREATED", span);
    learnTime(created, said.created_at);
    expect(expires_at - request.ttl_ms).toBe(created.at);
    const hold: ModelHold = {
      hold_id,
      status: "ACTIVE",
      lines,
      user_id: request.user_id,
      created,
      expires_at,
      version: 1,
      ended: undefined,
      order_id: undefined,
      payment_ref: "",
      due: { from: expires_at, to: expires_at },
    };
    model.holds.set(hold_id, hold);
    moveUnits(model, hold, created, -1, 1);
    remember(model, request, created, says);
  };
  return { word: "CREATED", says, effect };
}
