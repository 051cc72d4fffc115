import { earlierAnswer, KEYED_WORDS, remember } from "../keyed.ts";
import { type Decision, type Model, refuse } from "../model.ts";
import type { Cancel } from "../requests.ts";
import { end, openingAnswer } from "./hold-changes.ts";

export const cancelWords = [
  ...KEYED_WORDS,
  "CANCELLED",
  "EXPIRED",
  "HOLD_NOT_FOUND",
  "HOLD_ALREADY_CONFIRMED",
];

export function cancel(model: Model, request: Cancel, now: number): Decision {
  const { hold_id, reason } = request;
  const refused = openingAnswer(model, request) ?? earlierAnswer(model, request);
  if (refused) return refused;
  const hold = model.holds.get(hold_id);
  if (!hold) return refuse("HOLD_NOT_FOUND");
  if (hold.status === "CONFIRMED") return refuse("HOLD_ALREADY_CONFIRMED", { hold_id });
  if (hold.status !== "ACTIVE") return refuse("REPLAYED", { status: hold.status });
  const status = now >= hold.expires_at ? "EXPIRED" : "CANCELLED";
  const effect = () => {
    const fact = end(model, hold, `HOLD_${status}`);
    if (reason !== "") fact.payload.reason = reason;
    remember(model, request, fact, { status });
  };
  return { word: status, says: { status }, effect };
}
