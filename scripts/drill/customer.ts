import { setTimeout as sleep } from "node:timers/promises";
import { monotonicNow } from "../../src/now.ts";
import type { Asker } from "./ask.ts";
import { askAs } from "./asking.ts";
import type { CustomerPlan } from "./customer-plan.ts";
import { type Answer, isShort, type Journal, type Request } from "./journal.ts";
import { createRandom } from "./random.ts";
import type { Asking } from "./shopper-plan.ts";

const BETWEEN_LOOKS_MS = { min: 200, max: 400 };
/** So long at most somebody waits for a sale to open. */
const OPENS_MS_MAX = 20_000;
const LATE_MS_MAX = 1_000;
const EXTENSION_SECONDS = 2;

type World = { seed: number; asker: Asker; journal: Journal };
type Hold = { hold_id: string; expires_at: number; units: number };

/** Does what the plan says, and writes down whatever was decided. */
export async function visit(plan: CustomerPlan, world: World): Promise<void> {
  const { number, user_id, sku, ending, ending_asking, ending_cut_after_ms } = plan;
  const random = createRandom(world.seed, "waits of customer", number);
  const keyOf = (what: string) => `drill-${world.seed}-c${number}-${what}`;
  const askFor = (request: Request, what: string, asking: Asking = "ONCE", cut_after_ms = 0) =>
    askAs(asking, { number, request, key: keyOf(what), cut_after_ms, random, ...world });
  const askToEnd = (request: Request, what: string) =>
    askFor(request, what, ending_asking, ending_cut_after_ms);

  const answer = await reserve();
  const hold = holdIn(answer, plan.units);
  if (hold) await end(hold);
  else if (isShort(answer?.code) && plan.waits) await wait();

  async function reserve(what = "reserve"): Promise<Answer | null> {
    const request = { action: "RESERVE" as const, user_id, sku, units: plan.units };
    const first = await askFor(request, what, plan.asking, plan.cut_after_ms);
    if (first?.code !== "SALE_NOT_OPEN" || first.opens_at === undefined) return first;
    await sleep(Math.min(OPENS_MS_MAX, Math.max(0, first.opens_at - monotonicNow())));
    return askFor(request, what, plan.asking, plan.cut_after_ms);
  }

  async function end(hold: Hold): Promise<void> {
    const { hold_id } = hold;
    if (ending === "EXTEND_AND_PAY") await extend(hold);
    else if (ending === "PAY_LATE") await untilLate(hold);
    else await sleep(plan.thinks_ms);
    switch (ending) {
      case "ABANDON":
        return;
      case "CANCEL":
      case "CANCEL_AND_PAY":
        await askToEnd({ action: "CANCEL", hold_id }, "cancel");
        if (ending === "CANCEL_AND_PAY") await pay(hold, "MOVED");
        return;
      case "PAY_A_PART":
        return giveBack(await pay(hold, "NOT_YET", { sku, units: 1 }), 1);
      case "PAY":
        return giveBack(await pay(hold, "NOT_YET"), hold.units);
      case "PAY_TWICE": {
        const [paid] = await Promise.all([pay(hold, "MOVED"), pay(hold, "MOVED", undefined, "-b")]);
        return giveBack(paid, hold.units);
      }
      default:
        return giveBack(await pay(hold, "MOVED"), hold.units);
    }
  }

  function pay(
    { hold_id }: Hold,
    money: "MOVED" | "NOT_YET",
    part?: { sku: string; units: number },
    card = "",
  ) {
    const payment_ref = `payment-c${number}${card}`;
    const moved = money === "MOVED" ? { money_has_moved: true as const } : {};
    const paid = { action: "CONFIRM" as const, hold_id, payment_ref, ...moved };
    return askToEnd({ ...paid, ...(part ? { part } : {}) }, `pay${card}`);
  }

  async function extend({ hold_id }: Hold): Promise<void> {
    for (let i = 1; i <= plan.extensions; i += 1) {
      await sleep(plan.thinks_ms);
      const request = { action: "EXTEND" as const, hold_id, ttl_seconds: EXTENSION_SECONDS };
      const extended = await askFor(request, `extend-${i}`, plan.asking, plan.cut_after_ms);
      if (extended?.status !== 200) return;
    }
    await sleep(plan.thinks_ms);
  }

  // A deadline is Redis's time, which is the machine's, as ours is.
  async function untilLate({ expires_at }: Hold): Promise<void> {
    await sleep(Math.max(0, expires_at - monotonicNow()) + random.between(0, LATE_MS_MAX));
  }

  async function giveBack(paid: Answer | null, sold: number): Promise<void> {
    const order_id = paid?.order_id;
    if (order_id === undefined || plan.returns === "NOTHING") return;
    await sleep(plan.thinks_ms);
    const units = plan.returns === "TOO_MUCH" ? sold + 1 : 1;
    const request = { action: "RETURN" as const, order_id, sku, units, restock: plan.restock };
    await askToEnd(request, "return");
    if (plan.returns !== "ONE_BY_ONE") return;
    await askToEnd({ ...request, restock: !plan.restock }, "return-2");
  }

  async function wait(): Promise<void> {
    const { offer_seconds } = plan;
    const units = Math.min(plan.units, 2);
    const request = { action: "JOIN" as const, user_id, sku, units, offer_seconds };
    const joined = await askFor(request, "join", plan.asking, plan.cut_after_ms);
    const waiter_id = joined?.waiter_id;
    if (joined?.status !== 202 || waiter_id === undefined) return;
    const leave = () => askToEnd({ action: "LEAVE", waiter_id }, "leave");
    const offer = await untilOffered(waiter_id, units);
    if (offer === "GAVE_UP") {
      if (plan.leaves) await leave();
      return;
    }
    if (offer === null || plan.offer === "IGNORE") return;
    if (plan.offer === "LEAVE") await leave();
    else if (plan.offer === "TAKE") return giveBack(await pay(offer, "NOT_YET"), units);
    else {
      await untilLate(offer);
      await pay(offer, "MOVED");
    }
  }

  // Only what is news is written down; null when there is nothing to wait for any more.
  async function untilOffered(waiter_id: string, units: number): Promise<Hold | "GAVE_UP" | null> {
    const give_up_at = monotonicNow() + plan.patience_ms;
    const request = { action: "LOOK" as const, waiter_id, sku, units };
    while (monotonicNow() < give_up_at) {
      await sleep(random.between(BETWEEN_LOOKS_MS.min, BETWEEN_LOOKS_MS.max));
      const key = keyOf("look");
      const { retry_after_ms: _, ...attempt } = await world.asker.ask(request, key);
      const { outcome } = attempt;
      const answer = outcome.end === "ANSWERED" ? outcome.answer : undefined;
      const is_news = outcome.end === "HUNG" || (answer && answer.status < 500);
      if (!is_news || answer?.waiter_status === "WAITING") continue;
      world.journal.note({ shopper: number, key, request, ...attempt });
      if (answer) return answer.waiter_status === "OFFERED" ? holdIn(answer, units) : null;
    }
    return "GAVE_UP";
  }
}

const holdIn = (answer: Answer | null, units: number): Hold | null =>
  answer?.hold_id === undefined || answer.status >= 300
    ? null
    : { hold_id: answer.hold_id, expires_at: answer.expires_at ?? monotonicNow(), units };
