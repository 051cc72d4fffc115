import { afterAll, afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { createPool } from "../../src/postgres/client.ts";
import { forgetEvents } from "../../src/postgres/forgetting.ts";
import { seqGaps, seqRewinds } from "../../worker/metrics.ts";
import { freshDatabase, freshRedis } from "../setup/stack.ts";
import { compareBooks } from "./books.ts";
import { deadDozens } from "./dead-dozens.ts";
import { keptLog, metric, openNewShop, type openRecorder } from "./parts.ts";
import { countRows, query } from "./query.ts";
import type { Shop } from "./shop.ts";

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

describe("the sequence", () => {
  const gaps = () => query(database.url, "select seqs::text, still_missing::text from seq_gaps");

  test("has no gap any more where a letter lay in one", async () => {
    await dozens.refuse();
    await shop.reserve("tea");
    await shop.reserve("tea");
    await shop.reserve("tea", { quantity: 12 });
    const [, lost] = await shop.entries();
    await shop.redis.xdel(shop.keys.stream, lost?.id ?? "");
    await recorder.drain();
    await shop.reserve("tea");
    await recorder.drain();
    expect(await gaps()).toEqual([{ seqs: "[2,4)", still_missing: "{[2,4)}" }]);
    await dozens.allow();
    await dozens.request();
    await dozens.replayAll(recorder);
    expect(await gaps()).toEqual([{ seqs: "[2,4)", still_missing: "{[2,3)}" }]);
    await shop.append(lost?.fields ?? {});
    await recorder.drain();
    expect(await books()).toEqual([]);
  });

  test("has the gap before a letter that was the last one, as soon as it is recorded", async () => {
    const found = await metric(seqGaps);
    await dozens.refuse();
    await shop.reserve("tea");
    await shop.reserve("tea");
    await shop.reserve("tea", { quantity: 12 });
    const [, lost] = await shop.entries();
    await shop.redis.xdel(shop.keys.stream, lost?.id ?? "");
    await recorder.drain();
    expect(await gaps()).toEqual([]);
    await dozens.allow();
    await dozens.request();
    await dozens.replayAll(recorder);
    expect(await gaps()).toEqual([{ seqs: "[2,3)", still_missing: "{[2,3)}" }]);
    expect(await metric(seqGaps)).toBe(found + 1);
    await shop.append(lost?.fields ?? {});
    await shop.reserve("tea");
    await recorder.drain();
    expect(await books()).toEqual([]);
  });

  test("tells what was forgotten: a letter is recorded after its neighbours are, and only once", async () => {
    const forgetAll = () => forgetEvents(pool, 0, Date.now() + 86_400_000, 1_000);
    const unforgotten = async () => (await books()).filter((line) => !/events|ended_by/.test(line));
    const [id = ""] = await dozens.bury(1, shop, recorder);
    const entry = (await shop.entries()).find((candidate) => candidate.id === id);
    expect(await forgetAll()).toBe(2);
    await dozens.allow();
    await dozens.request();
    await dozens.replayAll(recorder);
    expect(await countRows(database.url, "processed_events")).toBe(1);
    expect(await unforgotten()).toEqual([]);
    const movements = await countRows(database.url, "stock_movements");
    expect(await forgetAll()).toBe(1);
    await shop.append(entry?.fields ?? {});
    await recorder.drain();
    expect(await countRows(database.url, "processed_events")).toBe(0);
    expect(await countRows(database.url, "stock_movements")).toBe(movements);
    expect(await metric(seqRewinds)).toBe(rewinds);
  });
});
