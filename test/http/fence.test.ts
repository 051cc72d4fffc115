import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { until } from "../../scripts/until.ts";
import { startProxy } from "../redis/tcp-proxy.ts";
import { admitAt } from "../setup/admit-at.ts";
import { startApi } from "../setup/api.ts";
import { dump } from "./dump.ts";
import { expectProblem } from "./expect-problem.ts";
import { recordAll } from "./record-all.ts";
import { type Answer, ask, fresh, openShop, postJson, type Shop } from "./shop.ts";
import { callsTo } from "./v1/back-office.ts";
import { sendBulk } from "./v1/bulk-client.ts";
import { WRITES } from "./v1/writes.ts";

/** So often `until` asks within a second at most. A machine may stand still for as long as that. */
const ASKED_MAX = 50;
const RECOVERING = { status: 503, code: "RECOVERING" };

let shop: Shop;
let v1: ReturnType<typeof callsTo>;
beforeAll(async () => {
  shop = await openShop();
  v1 = callsTo(shop.api.url);
});
afterAll(() => shop.close());

let generation = 1;
const admitAnew = () => admitAt(shop.redis.url, ++generation);
beforeEach(async () => {
  await admitAnew();
  await shop.api.scripts.learn();
});

const wishFor = (sku: string) => ({ sku, qty: 1, user_id: "u", idempotency_key: fresh("key") });
type Sent = { name: string; send: () => Promise<Answer> };

/** Every request that changes stock, ready to be sent, and sent again. */
async function everyWrite(): Promise<Sent[]> {
  const [confirmed, cancelled, sku] = [await shop.hold(), await shop.hold(), await shop.stock(9)];
  const wish = wishFor(sku);
  const bulk_key = fresh("key");
  const of_v1 = await Promise.all(
    WRITES.map(async ([name, prepare]): Promise<Sent> => {
      const { path, body } = await prepare(shop);
      const key = fresh("key");
      return { name, send: () => v1.post(path, body, { key }) };
    }),
  );
  return [
    { name: "a reserve", send: () => shop.reserve(wish) },
    {
      name: "a confirm",
      send: () => shop.confirm({ hold_id: confirmed.hold_id, payment_ref: "pay" }),
    },
    { name: "a cancel", send: () => shop.cancel({ hold_id: cancelled.hold_id }) },
    {
      name: "a bulk request",
      send: () => sendBulk(shop.api.url, [{ sku, delta: 1 }], { "Idempotency-Key": bulk_key }),
    },
    ...of_v1,
  ];
}

function expectRecovering(answer: Answer): void {
  expectProblem(answer, RECOVERING);
  expect(answer.headers.get("retry-after")).toMatch(/^[123]$/);
}

const redis = () => shop.api.redis;
const LOSSES: [string, () => Promise<unknown>][] = [
  ["its scripts are lost", () => redis().script("FLUSH")],
  ["its generation is lost", () => redis().del(shop.api.keys.generation)],
  ["another generation is there", () => redis().set(shop.api.keys.generation, 1_000)],
  ["it was restarted", () => shop.redis.restart().then(() => shop.untilRedis("there"))],
];

describe("when Redis may have lost data", () => {
  test.each(LOSSES)(
    "%s: every write is a 503 and nothing is done; within a second of the admission it is done, once",
    async (_, lose) => {
      const writes = await everyWrite();
      await lose();
      const before = await dump(redis());
      for (const { send } of writes) expectRecovering(await send());
      expect(await dump(redis())).toEqual(before);

      await admitAnew();
      const first = writes[0] as Sent; // there are a dozen
      let asked = 0;
      await until("it is served", async () => {
        asked += 1;
        return (await first.send()).status === 201 || undefined;
      });
      expect(asked).toBeLessThanOrEqual(ASKED_MAX);
      const done = [];
      for (const { send } of writes) done.push(await send());
      for (const [i, { status }] of done.entries()) {
        expect([writes[i]?.name, status < 300]).toEqual([writes[i]?.name, true]);
      }
      const after = await dump(redis());
      for (const [i, { send }] of writes.entries())
        expect((await send()).status).toBe(done[i]?.status);
      expect(await dump(redis())).toEqual(after);
    },
  );

  test("everything is lost: nothing is sold and nothing written, until it is admitted", async () => {
    const writes = await everyWrite();
    await redis().flushall();
    for (const { send } of writes) expectRecovering(await send());
    expect(await dump(redis())).toEqual({});
    await admitAnew();
    const answer = await until("it is served", async () => {
      const { status, body } = await shop.reserve(wishFor(fresh("ghost")));
      return status === 503 ? undefined : body;
    });
    expect(answer).toMatchObject({ code: "UNKNOWN_SKU" });
  });

  test("/ready says that it recovers, and /health that the process is well", async () => {
    await redis().script("FLUSH");
    const { status, body } = await ask(`${shop.api.url}/ready`);
    expect(status).toBe(503);
    expect(body).toEqual({
      status: "not ready",
      missing: { admission: expect.stringMatching(/^recovering: /) },
    });
    expect((await ask(`${shop.api.url}/health`)).body).toEqual({ status: "up" });
    await admitAnew();
    expect((await ask(`${shop.api.url}/ready`)).status).toBe(200);
  });
});

describe("while nothing is decided", () => {
  test("what is recorded is read from the ledger, and of the rest nobody can say anything", async () => {
    const [known, key] = [await shop.hold(), fresh("key")];
    await v1.post("/v1/adjustments", { sku: known.sku, delta: 4, reason: "receipt" }, { key });
    await recordAll(redis(), shop.database.url);
    const unrecorded = await shop.hold();
    const [hold, levels] = [
      await shop.read(known.hold_id),
      await v1.get(`/v1/availability?sku=${known.sku}`),
    ];
    await redis().script("FLUSH");

    expect((await shop.read(known.hold_id)).text).toBe(hold.text);
    expect((await v1.get(`/v1/reservations/${known.hold_id}`)).status).toBe(200);
    expect((await v1.get(`/v1/availability?sku=${known.sku}`)).body).toEqual(levels.body);
    expectRecovering(await shop.read(unrecorded.hold_id));
    expectRecovering(await v1.get(`/v1/reservations/${unrecorded.hold_id}`));
    expectRecovering(await v1.get(`/v1/idempotency/${key}`));

    await admitAnew();
    await until(
      "it is open",
      async () => (await shop.read(unrecorded.hold_id)).status === 200 || undefined,
    );
    expect((await v1.get(`/v1/idempotency/${key}`)).status).toBe(200);
  });

  test("what is no stock is still written", async () => {
    await redis().del(shop.api.keys.generation);
    const product = { sku: fresh("sku"), name: "Tea" };
    expect((await v1.post("/v1/products", product)).status).toBe(202);
  });

  test("a product with stock is half made and says so; the same request makes it whole", async () => {
    const [sku, key] = [fresh("sku"), fresh("key")];
    await redis().del(shop.api.keys.generation);
    const wish = { sku, name: "Tea", initialOnHand: 5 };
    expectProblem(await v1.post("/v1/products", wish, { key }), {
      status: 504,
      code: "OUTCOME_UNKNOWN",
    });
    await admitAnew();
    await shop.api.scripts.learn();
    expect((await v1.post("/v1/products", wish, { key })).status).toBe(202);
    expect(await redis().get(`stock:${sku}`)).toBe("5");
  });
});

test("a request that was carried out, and then met a Redis that is not admitted, is a 504", async () => {
  const proxy = await startProxy(shop.redis.port);
  const api = await startApi({
    ...{ redisUrl: proxy.url, databaseUrl: shop.database.url },
    ...{ request_budget_ms: 1_500, admits: false },
  });
  try {
    const sku = await shop.stock(9);
    const wish = wishFor(sku);
    proxy.dropReplies();
    const asked = postJson(`${api.url}/holds/reserve`, wish);
    await until("it is carried out", async () => {
      const { available } = await shop.unitsOf(sku);
      return available === 8 || undefined;
    });
    await redis().del(shop.api.keys.generation);
    proxy.cut();
    proxy.pass();
    const answer = await asked;
    expectProblem(answer, { status: 504, code: "OUTCOME_UNKNOWN" });
    expect(answer.headers.get("retry-after")).toBeNull();
    await admitAnew();
    await until("it is told when it asks again", async () => {
      const { status } = await postJson(`${api.url}/holds/reserve`, wish);
      return status === 201 || undefined;
    });
    expect(await shop.unitsOf(sku)).toEqual({ available: 8, held: 1 });
  } finally {
    await api.close();
    await proxy.close();
  }
});
