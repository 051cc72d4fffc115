import { afterAll, afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { until } from "../../scripts/until.ts";
import { createPool } from "../../src/postgres/client.ts";
import { recorderEvents, seqRewinds } from "../../worker/metrics.ts";
import { freshDatabase, freshRedis } from "../setup/stack.ts";
import { compareBooks } from "./books.ts";
import { deadDozens, missing } from "./dead-dozens.ts";
import { keptLog, metric, openNewShop, openRecorder } from "./parts.ts";
import { countRows, query } from "./query.ts";
import { handMade, handMadeChange, type Shop } from "./shop.ts";

const redis = await freshRedis();
const database = await freshDatabase();
const pool = createPool(database.url, keptLog().log);
const dozens = deadDozens(pool);
let shop: Shop;
let recorder: Awaited<ReturnType<typeof openRecorder>>;
let rewinds: number;

beforeEach(async () => {
  await dozens.allow();
  ({ shop, recorder } = await openNewShop(redis.url, database.url));
  rewinds = await metric(seqRewinds);
});

afterEach(async () => {
  await recorder.close();
  await shop.close();
});

afterAll(async () => {
  await pool.end();
  await redis.close();
  await database.close();
});

const books = () => compareBooks(shop.redis, database.url);

test("the chosen letters are recorded and gone, the others stay", async () => {
  const [first = "", second = "", third = ""] = await dozens.bury(3, shop, recorder);
  await dozens.allow();
  await dozens.request([second]);
  await dozens.replayAll(recorder);
  expect((await dozens.letters()).map(({ entry_id }) => entry_id)).toEqual([first, third]);
  expect(await countRows(database.url, "processed_events")).toBe(5);
  expect(await books()).toEqual(missing(2));
});

test("all of them are recorded, and then the books balance, without an alarm", async () => {
  await dozens.bury(20, shop, recorder);
  const errors = recorder.errors().length;
  const applied = await metric(recorderEvents, { outcome: "APPLIED" });
  await dozens.allow();
  await dozens.request();
  await dozens.replayAll(recorder);
  expect(await books()).toEqual([]);
  expect(await metric(recorderEvents, { outcome: "APPLIED" })).toBe(applied + 20);
  expect(await countRows(database.url, "seq_gaps")).toBe(0);
  expect(await metric(seqRewinds)).toBe(rewinds);
  expect(recorder.errors().slice(errors)).toEqual([]);
  // What they had done to the stock was EXTERNAL meanwhile, and is taken out again.
  const [sum] = await query(
    database.url,
    `select sum(available_delta)::int as available, sum(held_delta)::int as held
     from stock_movements where kind = 'EXTERNAL'`,
  );
  expect(sum).toEqual({ available: 1_000, held: 0 });
});

test("a letter that nobody asks for is never tried", async () => {
  await dozens.bury(1, shop, recorder);
  await dozens.allow();
  await recorder.runOnce();
  await recorder.runOnce();
  expect(await books()).toEqual(missing(1));
});

describe("a letter that fails again", () => {
  test("is kept with its new error and one attempt more, and not tried before it is asked for", async () => {
    const [good = "", bad = ""] = await dozens.bury(2, shop, recorder);
    const [was] = await query(database.url, "select * from dead_events where entry_id = $1", [bad]);
    await dozens.allow();
    await query(
      database.url,
      'update dead_events set fields = \'{"type":"TEA_SPILT"}\' where entry_id = $1',
      [bad],
    );
    await dozens.request([bad, good]);
    await dozens.replayAll(recorder);
    const [is, ...more] = await query(database.url, "select * from dead_events");
    expect(more).toEqual([]);
    expect(is).toEqual({
      ...{ ...was, fields: { type: "TEA_SPILT" } },
      ...{ attempts: was?.attempts + 1, error: expect.stringContaining("missing") },
      ...{ failed_at: expect.any(Date), replay_requested_at: null },
    });
    expect(is?.failed_at > was?.failed_at).toBe(true);
    const warnings = recorder.warnings().filter(({ msg }) => msg === "a dead letter failed again");
    expect(warnings).toEqual([expect.objectContaining({ message_id: bad })]);
    await recorder.runOnce();
    await recorder.runOnce();
    expect(await query(database.url, "select * from dead_events")).toEqual([is]);
  });

  test("because Postgres still refuses it leaves nothing behind, and may be asked for again", async () => {
    const [bad] = await dozens.bury(1, shop, recorder);
    const [{ attempts: before } = { attempts: 0 }] = await dozens.letters();
    const rows = () => Promise.all(["processed_events", "holds", "stock_movements"].map(count));
    const count = (table: string) => countRows(database.url, table);
    const counts = await rows();
    for (const more of [1, 2]) {
      await dozens.request();
      await dozens.replayAll(recorder);
      expect(await dozens.letters()).toEqual([
        {
          ...{ entry_id: bad, attempts: before + more, requested: false },
          error: expect.stringContaining("no_dozens"),
        },
      ]);
      expect(await rows()).toEqual(counts);
    }
    await dozens.allow();
    await dozens.request();
    await dozens.replayAll(recorder);
    expect(await books()).toEqual([]);
  });
});

describe("done twice", () => {
  test("by two who ask at once, each letter is recorded once", async () => {
    const ids = await dozens.bury(10, shop, recorder);
    await dozens.allow();
    let going = true;
    const recording = (async () => {
      while (going) await recorder.runOnce();
    })();
    try {
      for (let i = 0; i < 20; i += 1) await Promise.all([dozens.request(), dozens.request(ids)]);
      await until("they are recorded", async () =>
        (await dozens.letters()).length === 0 ? true : undefined,
      );
    } finally {
      going = false;
      await recording;
    }
    expect(await books()).toEqual([]);
    const own = await query(
      database.url,
      "select event_id from stock_movements where kind <> 'EXTERNAL' group by 1 having count(*) > 1",
    );
    expect(own).toEqual([]);
  });

  test("a letter whose event is recorded already goes, and changes nothing", async () => {
    await shop.trade(4, "tea");
    await recorder.drain();
    const [, entry] = await shop.entries();
    const movements = await countRows(database.url, "stock_movements");
    const duplicates = await metric(recorderEvents, { outcome: "DUPLICATE" });
    await query(
      database.url,
      `insert into dead_events (partition, entry_id, seq, fields, error, attempts)
       values (0, $1, 2, $2, 'why', 1)`,
      [entry?.id, JSON.stringify(entry?.fields)],
    );
    await dozens.request();
    await dozens.replayAll(recorder);
    expect(await books()).toEqual([]);
    expect(await countRows(database.url, "stock_movements")).toBe(movements);
    expect(await metric(recorderEvents, { outcome: "DUPLICATE" })).toBe(duplicates + 1);
  });

  test("an entry that comes again after its letter was recorded is a duplicate", async () => {
    const [id = ""] = await dozens.bury(1, shop, recorder);
    await dozens.allow();
    await dozens.request();
    await dozens.replayAll(recorder);
    const entry = (await shop.entries()).find((candidate) => candidate.id === id);
    await shop.append(entry?.fields ?? {});
    await recorder.drain();
    expect(await books()).toEqual([]);
  });
});

test("a worker that stands by leaves letters to the one that records", async () => {
  await dozens.bury(1, shop, recorder);
  await dozens.allow();
  await dozens.request();
  const place = { redisUrl: redis.url, databaseUrl: database.url };
  const standby = await openRecorder({ ...place, name: "standby" });
  expect(await standby.runOnce()).toBe(0);
  expect(await dozens.letters()).toEqual([expect.objectContaining({ requested: true })]);
  await standby.close();
});

test("a change of stock that is recorded at last settles what a product was promised", async () => {
  const seq = await shop.takeSeq();
  const { event_id, ...fields } = handMadeChange(seq);
  await query(
    database.url,
    `insert into initial_stocks (event_id, sku, store_id, units, request_id)
     values ($1, 'hand-made', 'main', 9, 'r')`,
    [event_id],
  );
  const id = await shop.append({ event_id, ...fields, type: "TEA_SPILT" });
  await recorder.drain();
  expect(await countRows(database.url, "initial_stocks")).toBe(1);
  await query(database.url, "update dead_events set fields = $1", [
    JSON.stringify({ event_id, ...fields }),
  ]);
  expect(await dozens.request()).toEqual({ requested: [id], unknown: [] });
  await dozens.replayAll(recorder);
  expect(await countRows(database.url, "initial_stocks")).toBe(0);
  const [moved] = await query(
    database.url,
    "select kind, available_delta::int from stock_movements",
  );
  expect(moved).toEqual({ kind: "STOCK_ADJUSTED", available_delta: 9 });
});

test("a letter without a seq of its own stays dead", async () => {
  await shop.append({ ...handMade(1), seq: "first" });
  await recorder.runOnce();
  await dozens.request();
  await dozens.replayAll(recorder);
  expect(await dozens.letters()).toEqual([
    expect.objectContaining({ attempts: 2, error: expect.stringContaining("seq") }),
  ]);
});
