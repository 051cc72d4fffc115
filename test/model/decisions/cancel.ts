import {
  type Decision,
  earlierAnswer,
  KEYED_WORDS,
  type Model,
  refuse,
  remember,
} from "../model.ts";
import type { Cancel, Span } from "../requests.ts";
import { end, endingAnswer } from "./hold-changes.ts";

export const cancelWords = [
  ...KEYED_WORDS,
  "CANCELLED",
  "EXPIRED",
  "HOLD_NOT_FOUND",
  "HOLD_ALREADY_CONFIRMED",
];

export function cancel(model: Model, request: Cancel, now: number): Decision {
  const { hold_id, reason } = request;
  const refused = endingAnswer(model, request) ?? earlierAnswer(model, request);
  if (refused) return refused;
  const hold = model.holds.get(hold_id);
  if (!hold) return refuse("HOLD_NOT_FOUND");
  if (hold.status === "CONFIRMED") return refuse("HOLD_ALREADY_CONFIRMED", { hold_id });
  if (hold.status !== "ACTIVE") return refuse("REPLAYED", { status: hold.status });
  const status = now >= hold.expires_at ? "EXPIRED" : "CANCELLED";
  const effect = (span: Span) => {
    const fact = end(model, hold, `HOLD_${status}`, span);
    if (reason !== "") fact.payload.reason = reason;
    remember(model, request, fact, { status });
  };
  return { word: status, says: { status }, effect };
}
