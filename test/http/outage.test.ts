import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { until } from "../../scripts/until.ts";
import { redisOutcomes } from "../../src/metrics.ts";
import { longestAnswer, longestTurn } from "./answer-times.ts";
import { dump } from "./dump.ts";
import { expectProblem } from "./expect-problem.ts";
import { type Answer, ask, fresh, openShop, type Shop } from "./shop.ts";

const BUDGET_MS = 1_500;
const EFFECT_MS_MAX = 2_000; // how much later than its deadline a request may take effect
/** So few under way are never too many, however slow the machine (src/http/flow.ts). */
const FEW = 60;
/** Of these more than few are under way, and too few end among more than few to tell a pace. */
const RUSH = 120;

let shop: Shop;
let patient: Shop;
let narrow: Shop;
beforeAll(async () => {
  [shop, patient, narrow] = await Promise.all([
    openShop({ request_budget_ms: BUDGET_MS }),
    openShop({ request_budget_ms: 20_000 }),
    openShop({ request_budget_ms: BUDGET_MS, queue_max: 1 }),
  ]);
});
afterAll(() => Promise.all([shop.close(), patient.close(), narrow.close()]));

const wishFor = (sku: string) => ({ sku, qty: 1, user_id: "u", idempotency_key: fresh("key") });
type Wish = ReturnType<typeof wishFor>;

/** Pauses Redis while something is done, and lets it go on whatever becomes of that. */
const whilePaused = <T>({ redis }: Shop, work: () => Promise<T>) => {
  redis.kill("SIGSTOP");
  return work().finally(() => redis.kill("SIGCONT"));
};

/** Asks for all of these, so many at a time. */
async function reserveAll(wishes: Wish[], at_once: number): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (let i = 0; i < wishes.length; i += at_once) {
    const some = wishes.slice(i, i + at_once).map((wish) => shop.reserve(wish));
    answers.push(...(await Promise.all(some)));
  }
  return answers;
}

/** An answer that is a 503 or a 504, whole, with Retry-After exactly when nothing happened. */
function expectUnserved(answer: Answer) {
  if (answer.status === 504) {
    expectProblem(answer, { status: 504, code: "OUTCOME_UNKNOWN" });
    expect(answer.headers.get("retry-after")).toBeNull();
  } else {
    expectProblem(answer, { status: 503, code: String(answer.body.code) });
    expect(["STORE_UNAVAILABLE", "OVERLOADED"]).toContain(answer.body.code);
    expect(answer.headers.get("retry-after")).toMatch(/^[123]$/);
  }
}

/** Asks until the store answers again, on a sku of its own. */
const untilSelling = (to: Shop) =>
  until("the API sells again", async () => {
    const sku = fresh("probe");
    const { status } = await to.reserve(wishFor(sku));
    return status === 404 ? true : undefined; // a sku nobody stocked: it was Redis that said so
  });

const unknownOutcomes = async () =>
  (await redisOutcomes.get()).values.find(({ labels }) => labels.outcome === "UNKNOWN")?.value ?? 0;

describe("while Redis is paused", () => {
  test("every request is answered within its budget: 504 if it was sent, 503 if not; none takes effect when it is too late", async () => {
    const sku = await shop.stock(10_000);
    const { hold_id } = await shop.hold();
    const before = await dump(shop.api.redis);
    const [answerMs, turnMs] = [longestAnswer(shop.api.server), longestTurn()];
    await whilePaused(shop, async () => {
      // More than the calls that fit into the budget can carry.
      const answers = await Promise.all([
        ...Array.from({ length: 700 }, () => shop.reserve(wishFor(sku))),
        shop.confirm({ hold_id, payment_ref: "pay" }),
        shop.cancel({ hold_id }),
      ]);
      const answered = performance.now();
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([503, 504]));
      for (const answer of answers) expectUnserved(answer);
      expect(answerMs()).toBeLessThan(BUDGET_MS + 1_000 + (await turnMs()));
      // The deadlines of all that were sent are over.
      await until("nothing may take effect any more", () =>
        performance.now() > answered + EFFECT_MS_MAX ? true : undefined,
      );
    });
    await untilSelling(shop);
    expect(await dump(shop.api.redis)).toEqual(before);
  });

  test("a lone request is answered within its budget and a second", async () => {
    const sku = await shop.stock(1);
    const [asked, turnMs] = [performance.now(), longestTurn()];
    const answer = await whilePaused(shop, () => shop.reserve(wishFor(sku)));
    const ms = performance.now() - asked;
    expectProblem(answer, { status: 504, code: "OUTCOME_UNKNOWN" });
    expect(ms).toBeLessThan(BUDGET_MS + 1_000 + (await turnMs()));
    await untilSelling(shop);
  });

  test("what is asked again with the same key after a 504 is done exactly once", async () => {
    const sku = await shop.stock(1_000);
    const wishes = Array.from({ length: 200 }, () => wishFor(sku));
    const unserved = await whilePaused(shop, () => reserveAll(wishes, wishes.length));
    for (const answer of unserved) expectUnserved(answer);
    await untilSelling(shop);
    // So many that the outage must not be taken for the pace of the process: nobody may be refused after it.
    const rush = await reserveAll(wishes.slice(0, RUSH), RUSH);
    const first = [...rush, ...(await reserveAll(wishes.slice(RUSH), FEW))];
    const again = await reserveAll(wishes, FEW);
    expect(first.map(({ status }) => status)).toEqual(wishes.map(() => 201));
    expect(again.map(({ text }) => text)).toEqual(first.map(({ text }) => text));
    expect(await shop.unitsOf(sku)).toEqual({ available: 800, held: 200 });
  });

  test("for less than the budget, a request waits and is done once, though its call was given up", async () => {
    const sku = await patient.stock(10);
    const before = await unknownOutcomes();
    const asked = await whilePaused(patient, async () => {
      const answers = Array.from({ length: 5 }, () => patient.reserve(wishFor(sku)));
      await until("a call is given up", async () =>
        (await unknownOutcomes()) > before ? true : undefined,
      );
      return answers;
    });
    for (const { status, headers } of await Promise.all(asked)) {
      expect(status).toBe(201);
      // To the caller it is the first answer: only we know that we had to ask twice.
      expect(headers.get("idempotent-replayed")).toBeNull();
    }
    expect(await patient.unitsOf(sku)).toEqual({ available: 5, held: 5 });
  });

  test("what finds the queue full is refused at once as OVERLOADED", async () => {
    const sku = await narrow.stock(100);
    const answers = await whilePaused(narrow, () =>
      Promise.all(Array.from({ length: 40 }, () => narrow.reserve(wishFor(sku)))),
    );
    for (const answer of answers) expectUnserved(answer);
    const overloaded = answers.filter(({ body }) => body.code === "OVERLOADED");
    // Two calls in flight and one in the queue, twice over at most within the budget.
    expect(overloaded.length).toBeGreaterThanOrEqual(answers.length - 10);
    await untilSelling(narrow);
  });
});

describe("while Redis is gone", () => {
  test("only 503 is answered, /health stays up, and afterwards the API sells again by itself", async () => {
    const sku = await shop.stock(10);
    const held = await shop.hold();
    const wish = wishFor(sku);
    const { hold_id } = held;
    await shop.redis.kill();
    await shop.untilRedis("gone");
    const refused = [
      await shop.reserve(wish),
      await shop.confirm({ hold_id, payment_ref: "pay" }),
      await shop.cancel({ hold_id }),
    ];
    for (const answer of refused) {
      expectProblem(answer, { status: 503, code: "STORE_UNAVAILABLE" });
      expect(answer.headers.get("retry-after")).toMatch(/^[123]$/);
    }
    expect((await ask(`${shop.api.url}/health`)).status).toBe(200);
    expect((await ask(`${shop.api.url}/ready`)).status).toBe(503);

    await shop.startRedis();
    expect((await shop.reserve(wish)).status).toBe(201);
    expect((await shop.reserve(wish)).headers.get("idempotent-replayed")).toBe("true");
    expect(await shop.unitsOf(sku)).toEqual({ available: 9, held: 1 });
    expect((await shop.confirm({ hold_id, payment_ref: "pay" })).status).toBe(200);
    expect((await ask(`${shop.api.url}/ready`)).status).toBe(200);
  });

  test("requests it took down with it are answered, and done once when asked again", async () => {
    const sku = await shop.stock(1_000);
    const wishes = Array.from({ length: 200 }, () => wishFor(sku));
    const asked = wishes.map((wish) => shop.reserve(wish));
    await Promise.race(asked);
    await shop.redis.kill();
    const first = await Promise.all(asked);
    for (const answer of first) if (answer.status !== 201) expectUnserved(answer);

    await shop.startRedis();
    const again = await reserveAll(wishes, FEW);
    for (const [i, { status, text }] of again.entries()) {
      expect(status).toBe(201);
      if (first[i]?.status === 201) expect(text).toBe(first[i].text);
    }
    expect(new Set(again.map(({ body }) => body.hold_id)).size).toBe(200);
    expect(await shop.unitsOf(sku)).toEqual({ available: 800, held: 200 });
  });
});
