import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { Redis } from "ioredis";
import { until } from "../../scripts/until.ts";
import { IDEMPOTENCY_MS } from "../../src/domain/limits.ts";
import { IDEM_ROUTES } from "../../src/redis/keys.ts";
import { RedisFault } from "../../src/redis/outcome.ts";
import { callContext, openDecidingSide } from "../setup/deciding-side.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import { freshRedis } from "../setup/stack.ts";

let server: Awaited<ReturnType<typeof freshRedis>>;
let admin: Redis;
let side: Awaited<ReturnType<typeof openDecidingSide>>;
beforeAll(async () => {
  server = await freshRedis();
  admin = new Redis(server.url);
  side = await openDecidingSide(server.url);
  side.backlog.stop(); // its looks would be counted among our reads
});
beforeEach(async () => {
  await emptyRedis(admin);
  await admin.set("stock:phone", "50");
});
afterAll(async () => {
  await side.close();
  admin.disconnect();
  await server.close();
});

const lines = [{ sku: "phone", store_id: "main", quantity: 1 }];
const more = { sku: "phone", store_id: "main", operation: "ADJUST", units: 1, reason: "" } as const;
const find = (key: string) => side.records.find(key);

describe("what a key did", () => {
  test("is found under every route it was used for, in one round trip", async () => {
    const idempotency_key = "k 1:#";
    const { inventory, stock } = side;
    const reserved = await inventory.createHold(
      { lines, user_id: "u", ttl_seconds: 60, idempotency_key },
      callContext(),
    );
    const { hold_id } = reserved;
    const sold = await inventory.confirmHold(
      { hold_id, payment_ref: "", idempotency_key, route: "v1_confirm" },
      callContext(),
    );
    const wish = { sku: "phone", quantity: 1, user_id: "", policy: "round-robin" } as const;
    const bought = await stock.purchase(wish, idempotency_key, callContext());
    const before = Number((await admin.info()).match(/total_reads_processed:(\d+)/)?.[1]);
    const found = await find(idempotency_key);
    const after = Number((await admin.info()).match(/total_reads_processed:(\d+)/)?.[1]);
    expect(after - before).toBe(2); // of ours, and of the second question
    const recorded_at = expect.any(Number);
    const [at, bought_at] = [String(sold.confirmed_at), String(bought.confirmed_at)];
    expect(found).toEqual([
      {
        route: "reserve",
        words: [hold_id, ...[reserved.expires_at, reserved.created_at].map(String)],
        recorded_at,
      },
      { route: "v1_confirm", words: [sold.order_id, at], recorded_at },
      {
        route: "purchase",
        words: [bought.hold_id, bought.order_id, "main", bought_at],
        recorded_at,
      },
    ]);
    expect(found.map((record) => record.recorded_at)).toEqual([
      reserved.expires_at - 60_000,
      sold.confirmed_at,
      bought.confirmed_at,
    ]);
  });

  test.each(["bulk", "reconcile", "seed"] as const)(
    "is found by the first of its lines, of a %s",
    async (route) => {
      for (const line of [1, 2]) {
        await side.stock.changeStock(more, { route, key: `k#${line}`, request: [] }, callContext());
      }
      const [record, ...others] = await find("k");
      expect(others).toEqual([]);
      expect(record).toMatchObject({
        route,
        words: [expect.any(String), expect.any(String), "51", "0", "1", "1"],
      });
      expect(await find("k#1")).toEqual([]);
    },
  );

  test("is nothing when nobody has used it, or what it did is forgotten", async () => {
    expect(await find("k")).toEqual([]);
    await side.stock.changeStock(more, { route: "adjust", key: "k", request: [] }, callContext());
    expect(await find("k")).toHaveLength(1);
    const record = side.keys.idem("adjust", "k");
    await admin.pexpire(record, 1);
    await until("it is gone", async () => ((await admin.exists(record)) === 0 ? true : undefined));
    expect(await find("k")).toEqual([]);
  });

  test("leaves out what no script has written", async () => {
    await admin.set(side.keys.idem("adjust", "k"), "f without end");
    await admin.rpush(side.keys.idem("count", "k"), "a list");
    await admin.pexpire(side.keys.idem("count", "k"), 60_000);
    await admin.set(side.keys.idem("transfer", "k"), "f done", "PX", IDEMPOTENCY_MS);
    expect(await find("k")).toEqual([
      { route: "transfer", words: ["done"], recorded_at: expect.any(Number) },
    ]);
  });
});

test("no two routes can name the same key, whatever the key is", () => {
  for (const route of IDEM_ROUTES) expect(route).toMatch(/^[a-z][a-z0-9_]*$/);
  expect(new Set(IDEM_ROUTES).size).toBe(IDEM_ROUTES.length);
});

test("without Redis nothing is found out, and nothing done", async () => {
  const gone = await openDecidingSide(server.url);
  await gone.close();
  const fault = await gone.records.find("k").catch((error: unknown) => error);
  expect(fault).toBeInstanceOf(RedisFault);
  expect(fault).toMatchObject({ outcome: "NOT_EXECUTED" });
});
