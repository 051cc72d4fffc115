import { setTimeout as sleep } from "node:timers/promises";
import type { Asker } from "../../scripts/drill/ask.ts";
import type { Journal } from "../../scripts/drill/journal.ts";
import { createRandom } from "../../scripts/drill/random.ts";
import type { Sale } from "../../scripts/drill/sale.ts";
import { shop } from "../../scripts/drill/shopper.ts";
import { type Offer, planShopper, type ShopperPlan } from "../../scripts/drill/shopper-plan.ts";
import { until } from "../../scripts/until.ts";
import { monotonicNow } from "../../src/now.ts";

const SEED = 1;
const AT_ONCE = 16;
const BETWEEN_MS = 15;
/** The drill's shoppers think for up to two seconds: here nobody has the time. */
const HURRY = 20;
const TTL_SECONDS_MIN = 1;
/** Of those in a queue, the last ones come back from a 503 within Retry-After. */
const GO_ON_MS_MAX = 20_000;

/**
 * The drill's shoppers, quick ones: they pay, pay too late, cancel, leave, ask twice, cut the connection and
 * misuse keys. As many as there are at once come one after the other until they are sent away.
 */
export function createCrowd({
  offer,
  asker,
  journal,
}: {
  offer: Offer;
  asker: Asker;
  journal: Journal;
}) {
  let came = 0;
  let going = false;
  let inside: Promise<unknown> = Promise.resolve();
  const opened_at = monotonicNow();
  let last_came_at = opened_at;

  async function comeAgain(by: Asker) {
    while (going) {
      last_came_at = monotonicNow();
      came += 1;
      await shop(hurried(came, offer), { seed: SEED, asker: by, journal });
      await sleep(BETWEEN_MS);
    }
  }

  /** Lets shoppers come, also by other doors than the first API's. Returns once they are served. */
  async function come({ at_once = AT_ONCE, doors = [asker] } = {}): Promise<void> {
    going = true;
    const shoppers = Array.from({ length: at_once }, (_, i) =>
      comeAgain(doors[i % doors.length] ?? asker),
    );
    inside = Promise.all([inside, ...shoppers]);
    inside.catch(() => {}); // leave() rejects with it
    await goOn();
  }

  /** Waits until `count` requests were accepted that were sent from now on. */
  async function goOn(count = 20, ms_max = GO_ON_MS_MAX): Promise<void> {
    const from = monotonicNow();
    const accepted = () =>
      journal.entries.filter(
        ({ sent_at, outcome }) =>
          sent_at >= from && outcome.end === "ANSWERED" && outcome.answer.status < 300,
      ).length;
    await until("sales go on", () => (accepted() >= count ? true : undefined), ms_max);
  }

  /** Waits until `count` more requests were answered with `status`, of those sent from now on. */
  async function meet(status: number, count = 10): Promise<void> {
    const from = monotonicNow();
    const met = () =>
      journal.entries.filter(
        ({ sent_at, outcome }) =>
          sent_at >= from && outcome.end === "ANSWERED" && outcome.answer.status === status,
      ).length;
    await until(`${count} are answered ${status}`, () => (met() >= count ? true : undefined));
  }

  /** Lets everybody finish who is there. */
  async function leave(): Promise<void> {
    going = false;
    await inside;
  }

  const sale = (): Sale => ({ opened_at, last_came_at, closed_at: monotonicNow(), came });

  return { come, goOn, meet, leave, sale };
}

function hurried(number: number, offer: Offer): ShopperPlan {
  const plan = planShopper(number, { seed: SEED, seconds: 1, shoppers: 1, offer });
  const product = createRandom(SEED, "product of", number).pick({ plenty: 5, scarce: 1 });
  const is_short = plan.ending === "PAY_LATE" || plan.ending === "ABANDON";
  return {
    ...plan,
    product,
    ttl_seconds: is_short ? TTL_SECONDS_MIN : plan.ttl_seconds,
    thinks_ms: plan.ending === "PAY_AT_THE_DEADLINE" ? plan.thinks_ms : plan.thinks_ms / HURRY,
  };
}
