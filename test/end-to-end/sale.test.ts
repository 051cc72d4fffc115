import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, expect, test } from "@jest/globals";
import { freePort } from "../../scripts/free-port.ts";
import { until } from "../../scripts/until.ts";
import { openDecidingSide } from "../setup/deciding-side.ts";
import { spawnApi, spawnWorker, type TestProcess } from "../setup/processes.ts";
import { freshDatabase, freshRedis } from "../setup/stack.ts";
import { compareBooks, untilRecorded } from "../worker/books.ts";
import { countRows, query } from "../worker/query.ts";
import { ask, brokenPromises, type Told } from "../worker/traffic.ts";

const UNITS = 300;
const CLIENTS = 200;
const SKU = "iphone_15_pro_256";
const REFUSED_PAUSE_MS = 100;
const TEST_MS_MAX = 120_000;

const redis = await freshRedis();
const database = await freshDatabase();
const deciding = await openDecidingSide(redis.url);
const processes = new Set<TestProcess>();

afterAll(async () => {
  await Promise.all([...processes].map((process) => process.kill()));
  await deciding.close();
  await redis.close();
  await database.close();
});

async function startAs(spawn: typeof spawnApi, env: Record<string, string>): Promise<TestProcess> {
  const urls = { REDIS_URL: redis.url, DATABASE_URL: database.url };
  const process = await spawn({ ...urls, ...env });
  processes.add(process);
  return process;
}

/** What the clients alone know: every number here was counted from answers. */
function createSale(url: string) {
  const told: Told = new Map();
  const counts = { reserved: 0, confirmed: 0, cancelled: 0, abandoned: 0, refused: 0, replayed: 0 };
  const odd: unknown[] = [];

  async function reserve(user_id: string, ttl_seconds: number) {
    const key = randomUUID();
    const body = { sku: SKU, qty: 1, user_id, ttl_seconds };
    const answer = await ask(`${url}/holds/reserve`, body, key);
    if (answer.status !== 201) return answer;
    // A client that is not sure asks once more: it must get the same hold, and take nothing.
    if (Math.random() < 0.2) {
      const again = await ask(`${url}/holds/reserve`, body, key);
      counts.replayed += 1;
      const same = again.status === 201 && again.body.hold_id === answer.body.hold_id;
      if (!same || again.headers.get("idempotent-replayed") !== "true") odd.push(again);
    }
    return answer;
  }

  async function confirm(hold_id: string) {
    const body = { hold_id, payment_ref: `pay-${hold_id}` };
    const answer = await ask(`${url}/holds/confirm`, body, randomUUID());
    if (answer.status === 200) {
      counts.confirmed += 1;
      told.set(hold_id, { status: "CONFIRMED", order_id: answer.body.order_id });
    } else odd.push(answer);
  }

  async function cancel(hold_id: string) {
    const answer = await ask(`${url}/holds/cancel`, { hold_id }, randomUUID());
    if (answer.status === 200 && answer.body.status === "CANCELLED") {
      counts.cancelled += 1;
      told.set(hold_id, { status: "CANCELLED" });
    } else odd.push(answer);
  }

  const isShort = (code: unknown) => code === "SOLD_OUT" || code === "ALL_HELD";

  /** Comes back until everything is sold: half of the holds are bought, the others go back. */
  async function client(user_id: string) {
    while (counts.confirmed < UNITS) {
      const abandons = Math.random() < 0.25;
      const answer = await reserve(user_id, abandons ? 1 : 300);
      if (answer.status === 409 && isShort(answer.body.code)) {
        counts.refused += 1;
        await sleep(REFUSED_PAUSE_MS);
        continue;
      }
      if (answer.status !== 201) {
        odd.push(answer);
        return;
      }
      counts.reserved += 1;
      const hold_id = String(answer.body.hold_id);
      await sleep(Math.random() * 50);
      if (abandons) counts.abandoned += 1;
      else if (Math.random() < 2 / 3) await confirm(hold_id);
      else await cancel(hold_id);
    }
  }

  const open = () => Promise.all(Array.from({ length: CLIENTS }, (_, i) => client(`client-${i}`)));

  const untilSold = (count: number) =>
    until(`${count} are sold`, () => (counts.confirmed >= count ? true : undefined), 60_000);

  return { told, counts, odd, open, untilSold };
}

test(
  "a sale to 200 clients, through the death of both processes, ends with the books balanced",
  async () => {
    const PORT = String(await freePort());
    let [api, worker] = await Promise.all([
      startAs(spawnApi, { PORT }),
      startAs(spawnWorker, { WORKER_NAME: "w" }),
    ]);
    await deciding.redis.set(`stock:${SKU}`, UNITS);

    const sale = createSale(api.url);
    const clients = sale.open();
    await sale.untilSold(UNITS / 4);
    await worker.kill("SIGKILL");
    await sale.untilSold(UNITS / 3);
    worker = await startAs(spawnWorker, { WORKER_NAME: "w" });
    await sale.untilSold(UNITS / 2);
    await api.kill("SIGKILL");
    api = await startAs(spawnApi, { PORT });
    await clients;

    // What abandoned holds took last is on its way back, or there is none of it.
    await until("nothing is held", async () =>
      (await deciding.redis.hget(`item:${SKU}`, "held")) === "0" ? true : undefined,
    );
    await untilRecorded(deciding.redis, database.url);

    expect(sale.odd).toEqual([]);
    expect(sale.counts.confirmed).toBe(UNITS);
    expect(sale.counts.refused).toBeGreaterThan(0);
    expect(sale.counts.abandoned).toBeGreaterThan(0);
    expect(sale.counts.replayed).toBeGreaterThan(0);
    expect(await brokenPromises(deciding.redis, sale.told)).toEqual([]);
    expect(await deciding.redis.get(`stock:${SKU}`)).toBe("0");
    expect(await compareBooks(deciding.redis, database.url)).toEqual([]);

    expect(await countRows(database.url, "orders")).toBe(UNITS);
    const { reserved, confirmed, cancelled, abandoned } = sale.counts;
    expect(reserved).toBe(confirmed + cancelled + abandoned);
    const rows = await query(
      database.url,
      "select status, count(*)::int as count from holds group by status order by status",
    );
    expect(rows).toEqual([
      { status: "CANCELLED", count: cancelled },
      { status: "CONFIRMED", count: confirmed },
      { status: "EXPIRED", count: abandoned },
    ]);

    await Promise.all([api.kill("SIGTERM"), worker.kill("SIGTERM")]);
    expect(await Promise.all([api.ended, worker.ended])).toEqual([
      [0, null],
      [0, null],
    ]);
  },
  TEST_MS_MAX,
);
