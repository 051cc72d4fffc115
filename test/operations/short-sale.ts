import { randomUUID } from "node:crypto";
import type { Redis } from "ioredis";
import { z } from "zod";
import { until } from "../../scripts/until.ts";

const SKU = "tea";
const SCARCE = "cup";
const answerShape = z.record(z.string(), z.unknown());

/** A sale with which API and worker call every script there is. Throws when anything of it is refused. */
export async function holdShortSale(url: string, admin: Redis): Promise<void> {
  async function call(method: string, path: string, body?: object) {
    const headers = { "content-type": "application/json", "idempotency-key": randomUUID() };
    return until(`${method} ${path} is answered`, async () => {
      const text = body === undefined ? null : JSON.stringify(body);
      const response = await fetch(`${url}${path}`, { method, headers, body: text });
      const answer = await response.text();
      // On a busy machine Redis may be late. The same key finds out.
      if (response.status === 503 || response.status === 504) return undefined;
      if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${answer}`);
      return answerShape.parse(JSON.parse(answer));
    });
  }
  const post = (path: string, body: object) => call("POST", path, body);
  const line = (qty: number) => ({ lines: [{ sku: SKU, qty }] });
  const reserve = async (more: object = {}) =>
    String((await post("/holds/reserve", { sku: SKU, qty: 3, user_id: "ann", ...more })).hold_id);

  await post("/v1/stores", { storeId: "far", name: "Far away", latencyRank: 10 });
  await post("/v1/adjustments", { storeId: "main", sku: SKU, delta: 100, reason: "receipt" });
  await post("/v1/transfers", { fromStore: "main", toStore: "far", ...line(10) });

  const changed = await reserve();
  await post("/holds/extend", { hold_id: changed, ttl_seconds: 600 });
  await call("PATCH", `/v1/reservations/${changed}`, line(5));
  await call("PATCH", `/v1/reservations/${changed}`, line(2));
  await post("/holds/confirm", { hold_id: changed, payment_ref: "p-1" });
  await post("/holds/cancel", { hold_id: await reserve() });
  await post("/v1/reservations", line(1));
  const paid = { hold_id: await reserve(), payment_ref: "p-2", on_expired: "reacquire" };
  const { order_id } = await post("/holds/confirm", paid);
  await post("/v1/purchase", { sku: SKU, qty: 1, customerId: "ann" });
  await post(`/v1/orders/${order_id}:return`, { ...line(1), reason: "wrong colour" });
  // From here on customers are counted, with what they have bought before.
  await call("PUT", `/v1/rules/${SKU}`, { maxPerCustomer: 50 });

  const left = await reserve({ ttl_seconds: 1 });
  await until("the hold has expired", async () =>
    (await call("GET", `/holds/${left}`)).ended_at ? true : undefined,
  );

  await admin.set(`stock:${SCARCE}`, 0);
  const wait = { sku: SCARCE, qty: 1, offerSeconds: 600 };
  const { waiterId } = await post("/v1/waitlist", { ...wait, customerId: "bob" });
  await call("DELETE", `/v1/waitlist/${waiterId}`);
  const eve = await post("/v1/waitlist", { ...wait, customerId: "eve" });
  await admin.set(`stock:${SCARCE}`, 1);
  await until("she is served", async () =>
    (await call("GET", `/v1/waitlist/${eve.waiterId}`)).status === "OFFERED" ? true : undefined,
  );
  await until("what was bought before is counted", async () =>
    (await admin.hexists("inventory.customers", "place")) === 1 ? true : undefined,
  );
  await call("GET", `/v1/availability?sku=${SKU}`);
  const asked = { sku: SKU, qty: 999, customerId: "joe" };
  await post("/v1/purchase", asked).catch(() => {}); // a problem is counted, too
}
