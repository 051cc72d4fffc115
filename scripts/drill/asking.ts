import { setTimeout as sleep } from "node:timers/promises";
import { monotonicNow } from "../../src/now.ts";
import type { Asker } from "./ask.ts";
import { type Answer, isUnavailable, type Journal, type Request } from "./journal.ts";
import type { Random } from "./random.ts";
import type { Asking } from "./shopper-plan.ts";

/** After that a shopper gives up, and never learns what became of the request. */
const PATIENCE_MS = 30_000;
/** Whoever tells of money that has moved does so for longer. */
const PAYMENT_PATIENCE_MS = 90_000;
const AGAIN_MS = { min: 50, max: 300 };
const RETRY_AFTER_MS_MAX = 2_000;

/** A request, and who makes it. */
export type Call = {
  /** Of the shopper. */
  number: number;
  request: Request;
  key: string;
  cut_after_ms: number;
  random: Random;
  asker: Asker;
  journal: Journal;
};

/** Asks as a shopper does. The last answer; null when none was got that says what happened. */
export async function askAs(asking: Asking, call: Call): Promise<Answer | null> {
  switch (asking) {
    case "ONCE":
      return untilAnswered(call);
    case "CUT_OFF":
      return untilAnswered(call, call.cut_after_ms);
    case "TWICE":
      return (await untilAnswered(call)) && untilAnswered(call);
    case "DOUBLE_CLICK": {
      const answers = await Promise.all([untilAnswered(call), untilAnswered(call)]);
      return answers.find((answer) => answer !== null && answer.status < 300) ?? answers[0];
    }
  }
}

/** Asks with the same key until there is an answer that says what happened. */
async function untilAnswered(call: Call, cut_after_ms?: number): Promise<Answer | null> {
  const { number, request, key, random, asker, journal } = call;
  const has_paid = request.action === "CONFIRM" && request.money_has_moved;
  const give_up_at = monotonicNow() + (has_paid ? PAYMENT_PATIENCE_MS : PATIENCE_MS);
  for (let cut = cut_after_ms; ; cut = undefined) {
    const { retry_after_ms, ...attempt } = await asker.ask(request, key, cut);
    journal.note({ shopper: number, key, request, ...attempt });
    const { outcome } = attempt;
    if (outcome.end === "ANSWERED" && !isUnavailable(outcome.answer)) return outcome.answer;
    if (monotonicNow() > give_up_at) return null;
    // Not all at the same moment, when what was away is back.
    const asked_ms = Math.min(retry_after_ms, RETRY_AFTER_MS_MAX) * random.between(0.5, 1);
    await sleep(Math.max(asked_ms, random.between(AGAIN_MS.min, AGAIN_MS.max)));
  }
}
