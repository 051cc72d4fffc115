import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { until } from "../../scripts/until.ts";
import { GROUP } from "../../src/redis/keys.ts";
import { freshDir, freshPostgres, freshRedis } from "../setup/stack.ts";
import { compareBooks, untilRecorded } from "../worker/books.ts";
import { query } from "../worker/query.ts";
import { openShop } from "../worker/shop.ts";
import { backUp } from "./base-backup.ts";
import { startWorker } from "./workers.ts";

// The rehearsal of what docs/operations.md says about backups, in its order.
const UNITS = 1_000;
const TEST_MS_MAX = 90_000;

const redis = await freshRedis();
const postgres = await freshPostgres();
const place = await freshDir();
const shop = await openShop(redis.url, { admits: false });
const closers: (() => Promise<void>)[] = [];
let backup: Awaited<ReturnType<typeof backUp>>;
let known: string;
let later: string;

async function openWorker() {
  const worker = await startWorker({ redisUrl: redis.url, databaseUrl: postgres.url });
  closers.push(worker.close);
  await until("Redis is open", async () => ((await shop.scripts.isAdmitted()) ? true : undefined));
  const close = async () => {
    closers.splice(closers.indexOf(worker.close), 1);
    await worker.close();
  };
  return { ...worker, close };
}

const allRecorded = () => untilRecorded(shop.redis, postgres.url);
const applied = async () =>
  (
    await query<{ applied_seq: number; entry_id: string }>(
      postgres.url,
      "select applied_seq::int, applied_entry_id as entry_id from recorder_progress",
    )
  )[0];

/** Units that there are, or were sold: as many as came in. */
async function unitsThereAre(): Promise<number> {
  const [available, held] = await Promise.all([
    shop.redis.get(shop.keys.stock("tea", "main")),
    shop.redis.hget(shop.keys.item("tea", "main"), "held"),
  ]);
  const [sold] = await query<{ units: number }>(
    postgres.url,
    `select coalesce(sum(quantity), 0)::int as units from hold_lines join holds using (hold_id)
     where status = 'CONFIRMED'`,
  );
  return Number(available) + Number(held) + (sold?.units ?? 0);
}

beforeAll(async () => {
  const worker = await openWorker();
  await shop.stock("tea", UNITS);
  await shop.trade(40, "tea");
  known = await shop.reserve("tea", { ttl_seconds: 3_000 });
  await allRecorded();
  backup = await backUp(postgres.url, join(place.dir, "backup"), async () => {
    await shop.trade(20, "tea");
    await allRecorded();
  });
  later = await shop.reserve("tea", { ttl_seconds: 3_000 });
  await shop.trade(20, "tea");
  await allRecorded();
  await worker.close();
}, TEST_MS_MAX);

afterAll(async () => {
  for (const close of closers) await close();
  await shop.close();
  await redis.close();
  await postgres.close();
  await place.close();
});

async function restorePostgres() {
  await postgres.stop();
  await backup.restore();
  await postgres.start();
}

test(
  "when only Postgres is lost, its backup catches up from Redis's stream",
  async () => {
    await restorePostgres();
    const progress = await applied();
    const last_seq = Number(await shop.redis.get(shop.keys.seq));
    expect(progress?.applied_seq).toBeGreaterThanOrEqual(61);
    expect(progress?.applied_seq).toBeLessThan(last_seq);
    await shop.redis.xgroup("SETID", shop.keys.stream, GROUP, `${progress?.entry_id}`);
    const worker = await openWorker();
    await shop.trade(8, "tea");
    await allRecorded();
    expect(await compareBooks(shop.redis, postgres.url)).toEqual([]);
    expect(await unitsThereAre()).toBe(UNITS);
    expect(await query(postgres.url, "select from seq_gaps")).toHaveLength(0);
    await worker.close();
  },
  TEST_MS_MAX,
);

test(
  "when both are lost, the backup is what Redis gets back, and it sells on from there",
  async () => {
    await shop.redis.flushall();
    await restorePostgres();
    const worker = await openWorker();
    await shop.confirm(known);
    // What was sold behind the backup is gone: whoever has it in hand is told so.
    await expect(shop.confirm(later)).rejects.toMatchObject({ code: "HOLD_NOT_FOUND" });
    await shop.trade(20, "tea");
    await allRecorded();
    expect(await compareBooks(shop.redis, postgres.url)).toEqual([]);
    expect(await unitsThereAre()).toBe(UNITS);
    const [newest] = await query<{ finding: string }>(
      postgres.url,
      "select finding from recoveries order by recovery_id desc limit 1",
    );
    expect(newest?.finding).toBe("EMPTY");
    await worker.close();
  },
  TEST_MS_MAX,
);
