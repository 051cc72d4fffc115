import { type Decision, type Model, refuse } from "../model.ts";
import type { Expire } from "../requests.ts";
import { end, openingAnswer } from "./hold-changes.ts";

export const expireWords = ["EXPIRED", "NOT_DUE", "ENDED", "HOLD_NOT_FOUND", "CORRUPT", "LATE"];
const CORRUPT_RETRY_MS = 60_000;

export function expire(model: Model, request: Expire, now: number): Decision {
  const hold = model.holds.get(request.hold_id);
  const refused = openingAnswer(model, request);
  if (refused?.word === "CORRUPT" && hold?.status === "ACTIVE") {
    // Out of the sweeper's way for a minute, and nothing else.
    const { from, to } = model.span;
    const effect = () => {
      hold.due = { from: from + CORRUPT_RETRY_MS, to: to + CORRUPT_RETRY_MS };
    };
    return { word: "CORRUPT", says: {}, effect };
  }
  if (refused) return refuse(refused.word);
  if (!hold) return refuse("HOLD_NOT_FOUND");
  if (hold.status !== "ACTIVE") return refuse("ENDED");
  if (now < hold.expires_at) {
    const effect = () => {
      hold.due = { from: hold.expires_at, to: hold.expires_at };
    };
    return { word: "NOT_DUE", says: {}, effect };
  }
  return { word: "EXPIRED", says: {}, effect: () => void end(model, hold, "HOLD_EXPIRED") };
}
