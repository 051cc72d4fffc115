import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { until } from "../../../scripts/until.ts";
import { longestTurn } from "../answer-times.ts";
import { expectProblem } from "../expect-problem.ts";
import { type Answer, fresh, openShop, type Shop } from "../shop.ts";
import { callsTo } from "./back-office.ts";
import { WRITES, type Write } from "./writes.ts";

const BUDGET_MS = 1_500;

let shop: Shop;
let calls: ReturnType<typeof callsTo>;
beforeAll(async () => {
  shop = await openShop({ request_budget_ms: BUDGET_MS });
  calls = callsTo(shop.api.url);
});
afterAll(() => shop.close());

type Prepared = Write & { name: string; key: string };

const prepareAll = () =>
  Promise.all(
    WRITES.map(async ([name, prepare]): Promise<Prepared> => {
      return { name, key: fresh("key"), ...(await prepare(shop)) };
    }),
  );
const send = ({ path, body, key }: Prepared) => calls.post(path, body, { key });
const eventCount = () => shop.api.redis.xlen("inventory.events");
const eventsOf = (writes: Prepared[]) => writes.reduce((sum, { events }) => sum + events, 0);

/** An answer that is a 503 with Retry-After, since nothing happened, or a 504 without. */
function expectUnserved(answer: Answer): void {
  const code = String(answer.body.code);
  if (answer.status === 504) expect(code).toBe("OUTCOME_UNKNOWN");
  else expect(["STORE_UNAVAILABLE", "OVERLOADED"]).toContain(code);
  expectProblem(answer, { status: answer.status === 504 ? 504 : 503, code });
  const retry_after = answer.headers.get("retry-after");
  if (answer.status === 504) expect(retry_after).toBeNull();
  else expect(retry_after).toMatch(/^[123]$/);
}

/** Each of them is done once, whether or not it had been done before, and once more asked is a replay. */
async function expectDoneOnce(writes: Prepared[], events_before: number) {
  for (const write of writes) {
    const done = await send(write);
    expect([write.name, done.status]).toEqual([write.name, 202]);
    const again = await send(write);
    expect(again.text).toBe(done.text);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
  }
  expect(await eventCount()).toBe(events_before + eventsOf(writes));
}

test("while Redis is gone every write is a 503 at once; asked again afterwards it is done", async () => {
  const writes = await prepareAll();
  const before = await eventCount();
  await shop.redis.kill();
  await shop.untilRedis("gone");
  for (const write of writes) {
    const refused = await send(write);
    expectProblem(refused, { status: 503, code: "STORE_UNAVAILABLE" });
    expect(refused.headers.get("retry-after")).toMatch(/^[123]$/);
  }
  await shop.startRedis();
  await expectDoneOnce(writes, before);
});

describe("while Redis is paused", () => {
  test("every write is answered within its budget, and asked again it is done once", async () => {
    const writes = await prepareAll();
    const before = await eventCount();
    shop.redis.kill("SIGSTOP");
    const [asked, turnMs] = [performance.now(), longestTurn()];
    const answers = await Promise.all(writes.map(send)).finally(() => shop.redis.kill("SIGCONT"));
    const took_ms = performance.now() - asked;
    for (const answer of answers) expectUnserved(answer);
    expect(took_ms).toBeLessThan(BUDGET_MS + 1_000 + (await turnMs()));
    await until("the API sells again", async () =>
      (await calls.post("/v1/purchase", { sku: fresh("probe"), qty: 1 })).status === 404
        ? true
        : undefined,
    );
    await expectDoneOnce(writes, before);
  });
});

describe("a corrupt key", () => {
  const corrupt = { status: 500, code: "CORRUPT_STOCK" };

  test.each(["abc", "-1", "1.5", "12345678901234567890", ""])(
    "that holds %p instead of a stock is a problem to each write of it, and is left as it is",
    async (text) => {
      const sku = await shop.stock(text);
      const lines = [{ sku, qty: 1 }];
      for (const [path, body] of [
        ["/v1/reservations", { lines }],
        ["/v1/purchase", { sku, qty: 1 }],
        ["/v1/adjustments", { sku, delta: 1, reason: "manual" }],
        ["/v1/items:set-absolute", { sku, onHand: 1 }],
        ["/v1/transfers", { fromStore: "main", toStore: "berlin", lines }],
        ["/v1/reconciliations", { snapshotOnHand: { [sku]: 1 } }],
      ] as const) {
        expectProblem(await calls.post(path, body), corrupt);
      }
      expect(await shop.api.redis.get(`stock:${sku}`)).toBe(text);
    },
  );

  test("that holds a list instead of the stores, or of a key's record, is one too", async () => {
    const sku = await shop.stock(1);
    const key = fresh("key");
    await shop.api.redis.rpush(`idem:purchase:${key}`, "x");
    const wish = { sku, qty: 1 };
    expectProblem(await calls.post("/v1/purchase", wish, { key }), corrupt);
    await shop.api.redis.rename("inventory.stores", "aside");
    await shop.api.redis.rpush("inventory.stores", "x");
    expectProblem(await calls.post("/v1/purchase", wish), corrupt);
    const adjustment = { sku, storeId: "rome", delta: 1, reason: "manual" };
    expectProblem(await calls.post("/v1/adjustments", adjustment), corrupt);
    await shop.api.redis.rename("aside", "inventory.stores");
    expect((await calls.post("/v1/purchase", wish)).status).toBe(202);
  });
});
