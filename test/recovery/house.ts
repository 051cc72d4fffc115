import { expect } from "@jest/globals";
import { until } from "../../scripts/until.ts";
import type { RecoveryReport } from "../../src/domain/recovery.ts";
import { freshDatabase, freshRedis } from "../setup/stack.ts";
import { compareBooks, untilRecorded } from "../worker/books.ts";
import { query } from "../worker/query.ts";
import { openShop, type Shop } from "../worker/shop.ts";
import { type AdmitterOptions, startWorker, type TestWorker } from "./workers.ts";

type Recovery = {
  finding: string;
  generation: number | null;
  events_lost: number;
  approved_at: Date | null;
  finished_at: Date | null;
  report: RecoveryReport;
};

/**
 * A Redis and a database of one's own, a shop that sells there, and workers, none of which runs at first.
 * @param beside another house, whose database this one has too
 */
export async function openHouse(beside?: House): Promise<House> {
  const redis = await freshRedis();
  const database = beside?.database ?? (await freshDatabase());
  const shop = await openShop(redis.url, { admits: false });
  const closers: (() => Promise<void>)[] = [];
  const urls = { redisUrl: redis.url, databaseUrl: database.url };

  async function worker(options: Partial<AdmitterOptions> & { name?: string } = {}) {
    const started = await startWorker({ ...urls, ...options });
    let closed = false;
    const close = async () => {
      if (!closed) await started.close();
      closed = true;
    };
    closers.push(close);
    return { ...started, close };
  }

  /** Of the newest admission. */
  async function generation(): Promise<number> {
    const sql = "select generation from recorder_progress";
    const [row] = await query<{ generation: number }>(database.url, sql);
    return row?.generation ?? 0;
  }

  /** Waits until Redis is open under another generation than `than`, and the shop knows. */
  const untilOpen = (than = 0) =>
    until("Redis is open again", async () => {
      const now = Number(await shop.redis.get(shop.keys.generation).catch(() => 0));
      return now > than && (await shop.scripts.isAdmitted()) && (await state()) === "OPEN"
        ? now
        : undefined;
    });

  /** Does what takes Redis its memory, and waits until it is open again. */
  async function through(fault: () => Promise<unknown>): Promise<void> {
    const before = await generation();
    await fault();
    await untilOpen(before);
  }

  async function state(): Promise<string | undefined> {
    const sql = "select state from admissions";
    return (await query<{ state: string }>(database.url, sql))[0]?.state;
  }

  const recoveries = () =>
    query<Recovery>(
      database.url,
      `select finding, generation, events_lost::int, approved_at, finished_at, report
       from recoveries order by recovery_id`,
    );

  /** Waits until all is recorded, and compares the books; `stocked` units of tea must be found again. */
  async function expectBooks(stocked?: number): Promise<void> {
    await untilRecorded(shop.redis, database.url);
    expect(await compareBooks(shop.redis, database.url)).toEqual([]);
    if (stocked !== undefined) expect(await unitsOf("tea")).toBe(stocked);
  }

  /** Units that Redis has of a sku, and those that the ledger says are sold. */
  async function unitsOf(sku: string): Promise<number> {
    const [available, held] = await Promise.all([
      shop.redis.get(shop.keys.stock(sku, "main")),
      shop.redis.hget(shop.keys.item(sku, "main"), "held"),
    ]);
    const [sold] = await query<{ units: number }>(
      database.url,
      `select coalesce(sum(quantity), 0)::int as units from hold_lines join holds using (hold_id)
       where sku = $1 and status = 'CONFIRMED'`,
      [sku],
    );
    return Number(available) + Number(held) + (sold?.units ?? 0);
  }

  async function close() {
    for (const closeWorker of closers) await closeWorker();
    await shop.close();
    await redis.close();
    if (!beside) await database.close();
  }

  return {
    ...{ redis, database, shop, urls, worker, generation, untilOpen, through, state, recoveries },
    ...{ expectBooks, unitsOf, close },
  };
}

/** What a test has of it. */
export type House = {
  redis: Awaited<ReturnType<typeof freshRedis>>;
  database: Awaited<ReturnType<typeof freshDatabase>>;
  shop: Shop;
  urls: { redisUrl: string; databaseUrl: string };
  worker: (options?: Partial<AdmitterOptions> & { name?: string }) => Promise<TestWorker>;
  generation: () => Promise<number>;
  untilOpen: (than?: number) => Promise<number>;
  through: (fault: () => Promise<unknown>) => Promise<void>;
  state: () => Promise<string | undefined>;
  recoveries: () => Promise<Recovery[]>;
  expectBooks: (stocked?: number) => Promise<void>;
  unitsOf: (sku: string) => Promise<number>;
  close: () => Promise<void>;
};
