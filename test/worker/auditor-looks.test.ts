import { afterAll, afterEach, beforeEach, expect, test } from "@jest/globals";
import { freshDatabase, freshRedis } from "../setup/stack.ts";
import { allFindings, openAuditor, openFindings } from "./audit-side.ts";
import { openNewShop, type openRecorder } from "./parts.ts";
import { query } from "./query.ts";
import type { Shop } from "./shop.ts";

const redis = await freshRedis();
const database = await freshDatabase();
let shop: Shop;
let recorder: Awaited<ReturnType<typeof openRecorder>>;

beforeEach(async () => {
  ({ shop, recorder } = await openNewShop(redis.url, database.url));
  await shop.reserve("tea");
  await recorder.drain();
});

afterEach(async () => {
  await recorder.close();
  await shop.close();
});

afterAll(async () => {
  await redis.close();
  await database.close();
});

/** Looks around with an auditor to which Redis seems to say something else, `isWrong` says when. */
async function lookAround(isWrong: (reading: number) => boolean, afterReading = async () => {}) {
  let readings = 0;
  const auditor = await openAuditor({
    ...{ redisUrl: redis.url, databaseUrl: database.url },
    changeReading: (read) => async (stocks) => {
      const seen = await read(stocks);
      await afterReading();
      if (!seen || stocks.length === 0) return seen;
      readings += 1;
      if (!isWrong(readings)) return seen;
      return { ...seen, counts: seen.counts.map((of) => of && { ...of, version: of.version + 1 }) };
    },
  });
  try {
    await auditor.lookAround();
  } finally {
    await auditor.close();
  }
}

test("what is wrong at one look only is not told", async () => {
  await lookAround((reading) => reading === 1);
  expect(await allFindings(database.url)).toEqual([]);
});

test("what is wrong at two looks is told, and closed at the next one", async () => {
  await lookAround((reading) => reading <= 2);
  expect(await allFindings(database.url)).toMatchObject([{ kind: "REDIS_AHEAD" }]);
  expect(await openFindings(database.url)).toEqual([]);
});

// Redis may have lost what it said, and then the ledger never gets it.
test("nothing is told when Redis was admitted anew between the two sides of a look", async () => {
  let raised = 0;
  const raise = async () => {
    if (raised++ >= 20) return;
    await query(database.url, "update recorder_progress set generation = generation - 1");
  };
  await lookAround((reading) => reading <= 20, raise);
  expect(raised).toBeGreaterThan(20);
  expect(await allFindings(database.url)).toEqual([]);
});
