import { randomUUID } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { until } from "../../scripts/until.ts";
import { admitAt } from "../setup/admit-at.ts";
import { callContext, openDecidingSide } from "../setup/deciding-side.ts";
import { spawnWorker } from "../setup/processes.ts";
import { freshDatabase, freshDir, freshRedis } from "../setup/stack.ts";
import { query } from "../worker/query.ts";
import { runSeed, startSeed } from "./seed-command.ts";

const LINES = 12_000;
const UNITS = 50;
/** In no step with the chunks of a thousand lines. */
const SOME = 700;
/** Thousands are asked at once: with less time the last ones would be told that too many are waiting. */
const ASKS_MS = 60_000;

let place: Awaited<ReturnType<typeof freshDir>>;
let server: Awaited<ReturnType<typeof freshRedis>>;
let database: Awaited<ReturnType<typeof freshDatabase>>;
let deciding: Awaited<ReturnType<typeof openDecidingSide>>;
let env: Record<string, string>;
let file: string;
let skus: string[];

beforeAll(async () => {
  [place, server, database] = await Promise.all([freshDir(), freshRedis(), freshDatabase()]);
  deciding = await openDecidingSide(server.url, { queue_max: 2 * LINES });
  env = { REDIS_URL: server.url, DATABASE_URL: database.url };
});

beforeEach(async () => {
  const name = randomUUID();
  skus = Array.from({ length: LINES }, (_, i) => `${name}-${i}`);
  file = join(place.dir, `${name}.csv`);
  const lines = skus.map((sku) => `${sku},${UNITS},Product ${sku}\n`);
  await writeFile(file, `sku,quantity,name\n${lines.join("")}`);
});

afterAll(async () => {
  await deciding?.close();
  await Promise.all([place?.close(), server?.close(), database?.close()]);
});

/** The stocks of the file that are there, as Redis has them. */
async function readStocks() {
  const stocks = await deciding.stock.readStocks(skus, callContext(ASKS_MS));
  return [...stocks].flatMap(([sku, [stock]]) => (stock ? [{ sku, ...stock }] : []));
}

const lastSeq = () => deciding.stream.lastSeq();

/** Starts to seed, and returns when about `count` more stocks are set. */
async function seedSome(count: number) {
  const before = await lastSeq();
  const seed = startSeed([file], env);
  await until("some stocks are set", async () =>
    (await lastSeq()) >= before + count ? true : undefined,
  );
  return seed;
}

/** Sells a unit of every stock that is there. Returns of which. */
async function sellSome(): Promise<Set<string>> {
  const there = await readStocks();
  const sell = async (sku: string) => {
    const lines = [{ sku, store_id: "main", quantity: 1 }];
    const input = { lines, user_id: "u", ttl_seconds: 300, idempotency_key: randomUUID() };
    const { hold_id } = await deciding.inventory.createHold(input, callContext(ASKS_MS));
    await deciding.inventory.confirmHold({ hold_id, payment_ref: "p" }, callContext(ASKS_MS));
  };
  await Promise.all(there.map(({ sku }) => sell(sku)));
  return new Set(there.map(({ sku }) => sku));
}

/** Each stock was set once, and what was sold of it since is gone for good. */
async function expectSetOnce(sold: Set<string>) {
  const stocks = await readStocks();
  expect(stocks).toHaveLength(LINES);
  const odd = stocks.filter(({ sku, available, held, version }) => {
    const sales = sold.has(sku) ? 1 : 0;
    return available !== UNITS - sales || held !== 0 || version !== 1 + 2 * sales;
  });
  expect(odd).toEqual([]);
  const units = stocks.reduce((sum, { available }) => sum + available, 0);
  expect(units).toBe(LINES * UNITS - sold.size);
}

const countProducts = async () => {
  const rows = await query<{ made: number; changed: number }>(
    database.url,
    `select count(*)::int as made, (count(*) filter (where version > 1))::int as changed
     from products where sku = any($1)`,
    [skus],
  );
  return rows[0];
};

test("killed again and again, it goes on, and keeps what was sold in between", async () => {
  const first = await seedSome(SOME);
  await first.kill("SIGKILL");
  const sold = await sellSome();
  expect(sold.size).toBeGreaterThan(0);
  for (let kills = 0; kills < 3; kills += 1) {
    const seed = await seedSome(SOME);
    expect((await seed.kill("SIGKILL")).signal).toBe("SIGKILL");
  }
  expect((await readStocks()).length).toBeLessThan(LINES);

  const { code, out } = await runSeed([file], env);
  expect(code).toBe(0);
  expect(out).toMatch(/going on, [\d,]+ lines are done for certain\n/);
  expect(out).toMatch(/lines: 12,000 .*, by an earlier run: [\d,]+,/);
  await expectSetOnce(sold);
  expect(await countProducts()).toEqual({ made: LINES, changed: 0 });
  expect((await runSeed([file], env)).out).toContain("was seeded on");
}, 120_000);

test("a product that somebody changes after a crash is not changed back", async () => {
  await (await seedSome(SOME)).kill("SIGKILL");
  const renamed = await query(database.url, RENAME, [skus]);
  expect(renamed.length).toBeGreaterThan(0);
  expect((await runSeed([file], env)).code).toBe(0);
  const still_so = await query(
    database.url,
    "select sku from products where sku = any($1) and name = 'By hand' and version = 2",
    [skus],
  );
  expect(still_so).toHaveLength(renamed.length);
}, 60_000);
const RENAME = `update products set name = 'By hand', version = version + 1 where sku = any($1)
  returning sku`;

test("a day later, when Redis has forgotten the keys, the ledger tells what was set", async () => {
  await (await seedSome(SOME)).kill("SIGKILL");
  const sold = await sellSome();
  // What a day does.
  const keys = await deciding.redis.keys("idem:seed:*");
  expect(keys.length).toBeGreaterThan(0);
  await deciding.redis.del(keys);
  await query(database.url, "update seedings set begun_at = begun_at - interval '25 hours'");

  const worker = await spawnWorker({ REDIS_URL: server.url, DATABASE_URL: database.url });
  try {
    const { code, out } = await runSeed([file], env);
    expect({ code, out }).toEqual({ code: 0, out: expect.stringContaining("by an earlier run: ") });
    await expectSetOnce(sold);
  } finally {
    await worker.kill();
  }
}, 120_000);

test("at Ctrl-C it finishes what it has begun, and the same command goes on", async () => {
  const stopped = await (await seedSome(SOME)).kill("SIGINT");
  expect(stopped).toMatchObject({ code: 130, err: "" });
  expect(stopped.out).toMatch(/Stopped; the same command goes on\n$/);
  const [row] = await query<{ lines_done: number; lines_begun: number }>(
    database.url,
    "select lines_done, lines_begun from seedings order by begun_at desc limit 1",
  );
  expect(row?.lines_begun).toBe(row?.lines_done);
  expect(await readStocks()).toHaveLength(row?.lines_done ?? 0);
  const sold = await sellSome();
  expect((await runSeed([file], env)).code).toBe(0);
  await expectSetOnce(sold);
}, 60_000);

test("a second one on the same file is refused, and the first is not disturbed", async () => {
  const first = await seedSome(1);
  first.signal("SIGSTOP"); // or it might have come to its end before the second one asks
  const second = await runSeed([file], env).finally(() => first.signal("SIGCONT"));
  expect(second).toMatchObject({ code: 1, out: "" });
  expect(second.err).toContain("somebody else is seeding this file at this moment");
  expect((await first.ended).code).toBe(0);
  await expectSetOnce(new Set());
}, 60_000);

test("while Redis is away, or not admitted, it waits, and goes on", async () => {
  const seed = await seedSome(SOME);
  await server.restart();
  await until(
    "it meets the closed fence",
    () => deciding.scripts.generation() === null || undefined,
  );
  const before = await deciding.stream.lastSeq();
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(await deciding.stream.lastSeq()).toBe(before);
  await admitAt(server.url);
  expect((await seed.ended).code).toBe(0);
  await expectSetOnce(new Set());
}, 60_000);

test("a file that is written to meanwhile is left alone from then on", async () => {
  const seed = await seedSome(1);
  await writeFile(file, "sku,quantity\nother,1\n");
  const { code, err } = await seed.ended;
  expect(code).toBe(1);
  expect(err).toContain("was changed while it was read");
  expect(await deciding.redis.get(deciding.keys.stock("other", "main"))).toBeNull();
}, 60_000);
