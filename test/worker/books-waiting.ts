import type { Redis } from "ioredis";
import type pg from "pg";
import { createKeys } from "../../src/redis/keys.ts";

const keys = createKeys("main");
const COLUMNS = "status, sku, store_id, quantity, user_id, offer_ms, joined_at, joined_seq";

/** A sentence for each difference about who waits, in which order, and who did. */
export async function compareWaiters(redis: Redis, postgres: pg.Client): Promise<string[]> {
  const { rows } = await postgres.query(
    `select waiter_id, ${COLUMNS} from waiters order by joined_seq`,
  );
  const known = new Map(rows.map(({ waiter_id, ...row }) => [String(waiter_id), textOf(row)]));
  const differences: string[] = [];
  for (const key of await redis.keys(keys.waiter("*"))) {
    const id = key.slice(keys.waiter("").length);
    const { stock, ended_at, ...hash } = await redis.hgetall(key);
    const here = textOf(hash);
    if (here !== known.get(id)) differences.push(`waiter ${id} is ${here}, not ${known.get(id)}`);
  }
  const queues = Map.groupBy(
    rows.filter(({ status }) => status === "WAITING"),
    ({ sku, store_id }) => keys.stockName(sku, store_id),
  );
  const counts = await redis.hgetall(keys.waiting);
  for (const stock of new Set([...queues.keys(), ...Object.keys(counts)])) {
    const waiting = (queues.get(stock) ?? []).map(({ waiter_id }) => waiter_id).join();
    const found = await redis.zrange(keys.queue(stock), "0", "-1");
    if (found.join() !== waiting) differences.push(`for ${stock} wait ${found}, not ${waiting}`);
    if (String(found.length) !== counts[stock]) {
      differences.push(`${counts[stock]} are said to wait for ${stock}, it is ${found.length}`);
    }
  }
  return differences;
}

const textOf = (row: Record<string, unknown>) =>
  Object.entries(row)
    .map(([name, value]) => `${name}=${value instanceof Date ? value.getTime() : value}`)
    .sort()
    .join(" ");
