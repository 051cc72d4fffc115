import { setTimeout as sleep } from "node:timers/promises";
import { monotonicNow } from "../../src/now.ts";
import type { Asker } from "./ask.ts";
import { askAs } from "./asking.ts";
import { isShort, type Journal, type Request } from "./journal.ts";
import { createRandom } from "./random.ts";
import type { Asking, ShopperPlan } from "./shopper-plan.ts";

const BACK_AFTER_MS = { min: 500, max: 2_000 };

type World = { seed: number; asker: Asker; journal: Journal };
type Hold = { hold_id: string; expires_at: number };

/** Does what the plan says, and writes every attempt down. */
export async function shop(plan: ShopperPlan, world: World): Promise<void> {
  const random = createRandom(world.seed, "waits of shopper", plan.number);
  const key = (what: string) => `drill-${world.seed}-${plan.number}-${what}`;
  const call = (request: Request, what: string, asking: Asking, cut_after_ms: number) =>
    askAs(asking, {
      ...{ number: plan.number, request, key: key(what), cut_after_ms, random },
      ...world,
    });

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
