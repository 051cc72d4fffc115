import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { Redis } from "ioredis";
import { until } from "../../scripts/until.ts";
import type { Hold } from "../../src/domain/hold.ts";
import { newHoldId } from "../../src/domain/ids.ts";
import { readScripts } from "../../src/redis/scripts.ts";
import { callContext, openDecidingSide } from "../setup/deciding-side.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import { freshRedis } from "../setup/stack.ts";
import { startProxy, type TcpProxy } from "./tcp-proxy.ts";

const LONG_MS = 20_000;
let server: Awaited<ReturnType<typeof freshRedis>>;
let admin: Redis;
let proxy: TcpProxy;
let side: Awaited<ReturnType<typeof openDecidingSide>>;
beforeAll(async () => {
  server = await freshRedis();
  admin = new Redis(server.url);
  proxy = await startProxy(server.port);
});
beforeEach(async () => {
  await emptyRedis(admin);
  await admin.set("stock:phone", "10");
  side = await openDecidingSide(proxy.url);
});
afterEach(async () => {
  proxy.pass();
  await side.close();
});
afterAll(async () => {
  admin.disconnect();
  await proxy.close();
  await server.close();
});

/** A hold as the ledger may have it, when Redis has forgotten it. */
const recorded = (status: Hold["status"]): Hold => ({
  ...{ hold_id: newHoldId(), status, user_id: "ann", version: 2 },
  ...{
    created_at: 1_000,
    expires_at: 2_000,
    lines: [{ sku: "phone", store_id: "main", quantity: 2 }],
  },
});

/** Loses the reply to the first settling, after it took effect. */
async function losingReply<T>(ask: () => Promise<T>): Promise<T> {
  const before = await admin.xlen(side.keys.stream);
  proxy.dropRepliesFrom(
    readScripts(side.scripts.generation() ?? 0).get("settle_payments")?.sha ?? "",
  );
  const answer = ask();
  answer.catch(() => undefined);
  await until("it took effect", async () =>
    (await admin.xlen(side.keys.stream)) > before ? true : undefined,
  );
  proxy.cut();
  proxy.pass();
  return answer;
}

test.each([undefined, "key"])(
  "a lost reply to a late payment is asked for again: taken once, and new to the caller (key: %s)",
  async (idempotency_key) => {
    const hold = recorded("EXPIRED");
    const { hold_id } = hold;
    const ask = () =>
      side.inventory.settlePayment(
        { hold_id, payment_ref: "p", parts: [], idempotency_key, route: "confirm", recorded: hold },
        callContext(LONG_MS),
      );
    const settled = await losingReply(ask);
    expect(settled).toMatchObject({ sale: { late: true, replayed: false } });
    expect(await ask()).toEqual({
      sale: { ...("sale" in settled ? settled.sale : {}), replayed: true },
    });
    expect(await admin.get("stock:phone")).toBe("8");
    expect(await admin.xlen(side.keys.stream)).toBe(1);
  },
);

test("a lost reply to one that can't be fulfilled is asked for again: written down once", async () => {
  const hold = recorded("CANCELLED");
  const { hold_id } = hold;
  const ask = () =>
    side.inventory.settlePayment(
      {
        ...{ hold_id, payment_ref: "p", parts: [], recorded: hold },
        ...{ idempotency_key: undefined, route: "confirm" },
      },
      callContext(LONG_MS),
    );
  const settled = await losingReply(ask);
  expect(settled).toMatchObject({ unfulfilled: { why: "HOLD_CANCELLED" }, replayed: false });
  expect(await ask()).toEqual({ ...settled, replayed: true });
  expect(await admin.xlen(side.keys.stream)).toBe(1);
});
