import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { until } from "../../scripts/until.ts";
import { type Client, createClient, isProblem } from "../../src/client/client.ts";
import { openShop, type Shop } from "../http/shop.ts";
import { startProxy, type TcpProxy } from "../redis/tcp-proxy.ts";
import { spawnApi } from "../setup/processes.ts";

// Each call may take as long as a busy machine needs: what is tested is what becomes of it, not how soon.
const PATIENT = { timeoutMs: 100_000, tryTimeoutMs: 100_000, tries: 1_000 };

let shop: Shop;
let proxy: TcpProxy;
let client: Client;
beforeAll(async () => {
  shop = await openShop({ request_budget_ms: 1_000 });
  proxy = await startProxy(shop.api.port);
  client = createClient({ url: `http://127.0.0.1:${proxy.port}`, ...PATIENT });
});
afterAll(async () => {
  await proxy.close();
  await shop.close();
});

test("an answer that is lost is asked for again: the units are taken once", async () => {
  const sku = await shop.stock(10);
  proxy.dropReplies();
  const reserving = client.request("POST", "/holds/reserve", {
    body: { sku, qty: 2, user_id: "ada" },
  });
  await until("the units are taken", async () =>
    (await shop.unitsOf(sku)).held === 2 ? true : undefined,
  );
  proxy.pass();
  proxy.cut();
  const { replayed, status, tries, body } = await reserving;
  expect({ replayed, status, tries }).toEqual({ replayed: true, status: 201, tries: 2 });
  expect(body).toMatchObject({ sku, qty: 2, status: "ACTIVE" });
  expect(await shop.unitsOf(sku)).toEqual({ available: 8, held: 2 });
});

test("what a refusal tells has types, by its code", async () => {
  const sku = await shop.stock(3);
  const failure = await client.holds
    .reserve({ sku, qty: 5, user_id: "ada" })
    .catch((error: unknown) => error);
  if (!isProblem(failure, "SOLD_OUT", "LIMIT_EXCEEDED")) throw failure;
  if (failure.code === "LIMIT_EXCEEDED") throw new Error(`a limit of ${failure.members.limit}`);
  const { requested, available, held }: { requested: number; available: number; held: number } =
    failure.members;
  expect({ requested, available, held }).toEqual({ requested: 5, available: 3, held: 0 });
  expect(failure).toMatchObject({ status: 409, tries: 1 });
  expect(failure.requestId).toMatch(/^[0-9a-f-]{36}$/);
});

test("all the way: what was reserved is paid, and what the stock did is told line by line", async () => {
  const sku = await shop.stock(10);
  const { hold_id, expires_at } = await client.holds.reserve({ sku, qty: 2, user_id: "ada" });
  expect(Date.parse(expires_at)).toBeGreaterThan(0);
  const sold = await client.holds.confirm({ hold_id, payment_ref: "pay_81" });
  expect(sold).toMatchObject({ status: "CONFIRMED", payment_ref: "pay_81" });
  expect((await client.reservations.get(hold_id)).orderId).toBe(sold.order_id);
  expect(
    await client.stock.bulk([
      { sku, delta: -3 },
      { sku, delta: -30 },
    ]),
  ).toMatchObject([
    { line: 1, status: "APPLIED", available: 5 },
    { line: 2, status: "REFUSED", code: "WOULD_GO_NEGATIVE" },
  ]);
  const changed = await client.stock
    .adjust({ sku, delta: 1, reason: "receipt" }, { ifVersion: 1 })
    .catch((error: unknown) => error);
  expect(isProblem(changed, "VERSION_CONFLICT")).toBe(true);
  expect((await client.stock.availabilityOf(sku, { storeId: "main" })).sku).toBe(sku);
});

test("while Redis restarts it is asked again, and done in the end", async () => {
  const sku = await shop.stock(10);
  await shop.redis.stop();
  await shop.untilRedis("gone");
  expect(await client.ready()).toMatchObject({ status: "not ready" });
  const reserving = client.request("POST", "/holds/reserve", {
    body: { sku, qty: 1, user_id: "ada" },
  });
  await shop.startRedis();
  expect((await reserving).status).toBe(201);
  expect(await shop.unitsOf(sku)).toEqual({ available: 9, held: 1 });
  expect(await client.ready()).toEqual({ status: "ready" });
});

test("an API that dies in the middle has done it once, says the next one", async () => {
  const sku = await shop.stock(10);
  const api = await spawnApi({ REDIS_URL: shop.redis.url, DATABASE_URL: shop.database.url });
  proxy.aim(Number(new URL(api.url).port));
  proxy.dropReplies();
  const reserving = client.request("POST", "/holds/reserve", {
    body: { sku, qty: 1, user_id: "ada" },
  });
  await until("the unit is taken", async () =>
    (await shop.unitsOf(sku)).held === 1 ? true : undefined,
  );
  await api.kill("SIGKILL");
  proxy.pass();
  proxy.aim(shop.api.port);
  expect(await reserving).toMatchObject({ status: 201, replayed: true });
  expect(await shop.unitsOf(sku)).toEqual({ available: 9, held: 1 });
});
