import { expect } from "@jest/globals";
import { parseLines } from "../../src/domain/hold.ts";
import { explainCustomers } from "./explain-customers.ts";
import { explainStocks } from "./explain-stocks.ts";
import { checkWaiters } from "./explain-waiters.ts";
import { FULL_SKU, OUT_SKU, SKUS, STOCKED, STORES } from "./fuzz-world.ts";
import { keys, type ScriptSide } from "./script-side.ts";

/**
 * Units are neither made nor lost: from what was stocked on, the deltas of the events explain what each stock
 * has, and what is held is what active holds hold. Customers are counted likewise.
 */
export async function checkBooks(side: ScriptSide) {
  const entries = await side.entries();
  const stocks = explainStocks(entries, STOCKED);
  const { place: _, ...counts } = await side.redis.hgetall(keys.customers);
  expect(counts).toEqual(explainCustomers(entries));
  await checkOwnHolds(side);
  await checkWaiters(side.redis, entries);
  const holding = await heldByHolds(side);
  for (const sku of [...SKUS, FULL_SKU, OUT_SKU, "ghost"]) {
    for (const store_id of STORES) {
      const name = `${sku}@${store_id}`;
      const [available, held, version] = await side.stockOf(sku, store_id);
      const found = { available, held, version };
      const said = stocks.get(name) ?? { available: 0, held: 0, version: 0 };
      const texts = Object.entries(said).map(([field, n]) => [field, String(n)]);
      if (said.version > 0) expect(found).toEqual(Object.fromEntries(texts));
      else expect([available, held]).toEqual([STOCKED.get(name)?.toString() ?? null, null]);
      expect(said.held).toBe(holding.get(name) ?? 0);
    }
  }
}

/** The index of own holds names active holds alone, each by a sku and a customer that it has. */
async function checkOwnHolds({ redis }: ScriptSide) {
  for (const [field, id] of Object.entries(await redis.hgetall(keys.own_holds))) {
    const [sku = "", user_id = ""] = field.split(" ");
    const hold = await redis.hgetall(keys.hold(id));
    expect({ status: hold.status, user_id: hold.user_id }).toEqual({ status: "ACTIVE", user_id });
    expect(parseLines(hold.lines ?? "")?.map((line) => line.sku)).toContain(sku);
  }
}

async function heldByHolds({ redis }: ScriptSide): Promise<Map<string, number>> {
  const holding = new Map<string, number>();
  for (const key of await redis.keys("hold:*")) {
    const hold = await redis.hgetall(key);
    if (hold.status !== "ACTIVE") continue;
    for (const { sku, store_id, quantity } of parseLines(hold.lines ?? "") ?? []) {
      const name = `${sku}@${store_id}`;
      holding.set(name, (holding.get(name) ?? 0) + quantity);
    }
  }
  return holding;
}
