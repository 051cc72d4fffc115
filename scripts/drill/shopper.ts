import { setTimeout as sleep } from "node:timers/promises";
import { monotonicNow } from "../../src/now.ts";
import type { Asker } from "./ask.ts";
import { type Answer, isShort, isUnavailable, type Journal, type Request } from "./journal.ts";
import { createRandom, type Random } from "./random.ts";
import type { Asking, ShopperPlan } from "./shopper-plan.ts";

/** After that a shopper gives up, and never learns what became of the request. */
const PATIENCE_MS = 30_000;
const AGAIN_MS = { min: 50, max: 300 };
const RETRY_AFTER_MS_MAX = 2_000;
const BACK_AFTER_MS = { min: 500, max: 2_000 };

type World = { seed: number; asker: Asker; journal: Journal };
type Hold = { hold_id: string; expires_at: number };

/** Does what the plan says, and writes every attempt down. */
export async function shop(plan: ShopperPlan, world: World): Promise<void> {
  const random = createRandom(world.seed, "waits of shopper", plan.number);
  const key = (what: string) => `drill-${world.seed}-${plan.number}-${what}`;
  const call = (request: Request, what: string, asking: Asking, cut_after_ms: number) =>
    callAs(asking, { plan, request, key: key(what), cut_after_ms, random, ...world });

  const hold = await reserve();
  if (!hold) return;
  await sleep(Math.max(0, endingAt(plan, hold) - monotonicNow()));
  await end(hold);

  async function reserve(): Promise<Hold | null> {
    const { product: sku, units, ttl_seconds, asking, cut_after_ms } = plan;
    const user_id = `shopper-${plan.number}`;
    const request = { action: "RESERVE" as const, user_id, sku, units, ttl_seconds };
    let answer = await call(request, "reserve", asking, cut_after_ms);
    if (isShort(answer?.code) && plan.comes_back) {
      await sleep(random.between(BACK_AFTER_MS.min, BACK_AFTER_MS.max));
      answer = await call(request, "reserve", "ONCE", 0);
    }
    if (answer?.hold_id === undefined) return null;
    if (plan.misuses_key) await call({ ...request, units: units + 1 }, "reserve", "ONCE", 0);
    return { hold_id: answer.hold_id, expires_at: answer.expires_at ?? monotonicNow() };
  }

  async function end({ hold_id }: Hold) {
    const { ending, ending_asking: asking, ending_cut_after_ms: cut_after_ms } = plan;
    const paying = { action: "CONFIRM" as const, hold_id, payment_ref: `payment-${plan.number}` };
    const cancelling = { action: "CANCEL" as const, hold_id };
    const pay = () => call(paying, "pay", asking, cut_after_ms);
    const cancel = () => call(cancelling, "cancel", asking, cut_after_ms);
    if (ending === "ABANDON") return;
    if (ending === "PAY_AND_CANCEL") await Promise.all([pay(), cancel()]);
    else if (ending === "CANCEL") await cancel();
    else await pay();
    if (!plan.changes_mind) return;
    const other_payment = { ...paying, payment_ref: `${paying.payment_ref}-b` };
    if (ending === "CANCEL" || random.chance(0.5)) await call(other_payment, "pay-b", "ONCE", 0);
    else await call(cancelling, "cancel-b", "ONCE", 0);
  }
}

// A deadline is Redis's time, which is the machine's, as ours is.
const endingAt = ({ ending, thinks_ms }: ShopperPlan, { expires_at }: Hold) =>
  ending === "PAY_LATE" || ending === "PAY_AT_THE_DEADLINE"
    ? expires_at + thinks_ms
    : monotonicNow() + thinks_ms;

type Call = World & {
  plan: ShopperPlan;
  request: Request;
  key: string;
  cut_after_ms: number;
  random: Random;
};

/** The last answer; null when none was got that says what happened. */
async function callAs(asking: Asking, call: Call): Promise<Answer | null> {
  switch (asking) {
    case "ONCE":
      return untilAnswered(call);
    case "CUT_OFF":
      return untilAnswered(call, call.cut_after_ms);
    case "TWICE":
      return (await untilAnswered(call)) && untilAnswered(call);
    case "DOUBLE_CLICK": {
      const answers = await Promise.all([untilAnswered(call), untilAnswered(call)]);
      return answers.find((answer) => answer?.hold_id !== undefined) ?? answers[0];
    }
  }
}

/** Asks with the same key until there is an answer that says what happened. */
async function untilAnswered(call: Call, cut_after_ms?: number): Promise<Answer | null> {
  const { plan, request, key, random, asker, journal } = call;
  const give_up_at = monotonicNow() + PATIENCE_MS;
  for (let cut = cut_after_ms; ; cut = undefined) {
    const { retry_after_ms, ...attempt } = await asker.ask(request, key, cut);
    journal.note({ shopper: plan.number, key, request, ...attempt });
    const { outcome } = attempt;
    if (outcome.end === "ANSWERED" && !isUnavailable(outcome.answer)) return outcome.answer;
    if (monotonicNow() > give_up_at) return null;
    // Not all at the same moment, when what was away is back.
    const asked_ms = Math.min(retry_after_ms, RETRY_AFTER_MS_MAX) * random.between(0.5, 1);
    await sleep(Math.max(asked_ms, random.between(AGAIN_MS.min, AGAIN_MS.max)));
  }
}
