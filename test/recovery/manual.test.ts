import { cp, rename, rm } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { until } from "../../scripts/until.ts";
import { expectProblem, memberErrors } from "../http/expect-problem.ts";
import { ask, fresh, postJson } from "../http/shop.ts";
import { startApi } from "../setup/api.ts";
import { untilRecorded } from "../worker/books.ts";
import { appendFile } from "./aof.ts";
import { type House, openHouse } from "./house.ts";

const ISO_TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

let house: House;
let api: Awaited<ReturnType<typeof startApi>>;

beforeEach(async () => {
  house = await openHouse();
  const { redisUrl, databaseUrl } = house.urls;
  api = await startApi({ redisUrl, databaseUrl, admits: false });
  await house.shop.stock("tea", 1_000);
});

afterEach(async () => {
  await api.close();
  await house.close();
});

const shown = async () => (await ask(`${api.url}/v1/recovery`)).body;
const approve = (key = fresh("key")) =>
  postJson(`${api.url}/v1/recovery:approve`, {}, { "Idempotency-Key": key });
const reserve = () =>
  postJson(`${api.url}/holds/reserve`, {
    ...{ sku: "tea", qty: 1, user_id: "ann", idempotency_key: fresh("key") },
  });

const untilWaiting = () =>
  until("it waits for an approval", async () =>
    (await house.state()) === "WAITING_FOR_APPROVAL" ? true : undefined,
  );

/** Sells some, all of it recorded. Returns the worker that waits when something is lost. */
async function openShop(recovery: "auto" | "manual" = "manual") {
  const worker = await house.worker({ recovery });
  await house.untilOpen();
  await house.shop.trade(40, "tea");
  await untilRecorded(house.shop.redis, house.database.url);
  return worker;
}

test("the state is told from before the first worker on", async () => {
  const state = () => ask(`${api.url}/v1/recovery`);
  expect(await state()).toMatchObject({
    status: 200,
    body: { state: "CLOSED", since: null, generation: 0, report: null },
  });
  expectProblem(await reserve(), { status: 503, code: "RECOVERING" });
  await openShop();
  expect((await state()).body).toEqual({
    ...{ state: "OPEN", since: ISO_TIME, generation: 1, report: null },
  });
  await house.redis.stop();
  await until("the API knows", () => (api.redis.status === "ready" ? undefined : true));
  expect((await state()).body).toMatchObject({ state: "REDIS_AWAY", generation: 1 });
  await house.redis.start();
});

describe("with RECOVERY=manual", () => {
  test("a Redis that has lost nothing is let in without a word", async () => {
    await openShop();
    await house.through(house.redis.restart);
    expect(await house.recoveries()).toEqual([]);
    await house.expectBooks(1_000);
  });

  test("an emptied one sells nothing until somebody agrees, and then all is given back", async () => {
    const { errors } = await openShop();
    const generation = await house.generation();
    await house.shop.redis.call("FLUSHALL");
    await untilWaiting();
    expect(await shown()).toEqual({
      ...{ state: "WAITING_FOR_APPROVAL", since: ISO_TIME, generation },
      report: {
        ...{ finding: "EMPTY", generation: null, beganAt: ISO_TIME, approvedAt: null },
        ...{ finishedAt: null, redisSeq: 0, appliedSeq: 40, seenSeq: 40 },
        lost: { events: 0, exact: expect.any(Boolean), holds: [], units: 0 },
        ...{ restored: null, checked: null, seconds: null },
      },
    });
    expectProblem(await reserve(), { status: 503, code: "RECOVERING" });
    expect(await house.shop.redis.keys("*:*")).toEqual([]); // no stock, no hold, no record
    expect(errors()).toMatchObject([{ finding: "EMPTY" }]);

    const key = fresh("key");
    const agreed = await approve(key);
    expect(agreed).toMatchObject({
      status: 202,
      body: { finding: "EMPTY", approvedAt: ISO_TIME },
    });
    await house.untilOpen(generation);
    const again = await approve(key);
    expect([again.headers.get("idempotent-replayed"), again.text]).toEqual(["true", agreed.text]);
    expectProblem(await approve(), { status: 404, code: "NOT_FOUND" });
    expect(await shown()).toMatchObject({
      state: "OPEN",
      report: {
        ...{ finding: "EMPTY", generation: generation + 1, approvedAt: agreed.body.approvedAt },
        ...{ finishedAt: ISO_TIME, seconds: expect.any(Number) },
        restored: { stocks: 1, units: 990, activeHolds: 0, endedHolds: 20, records: 20 },
        checked: { stocks: 0, differing: 0, differences: [] },
      },
    });
    await house.expectBooks(1_000);
  });

  test("one that comes back with everything, while it waits, needs no word", async () => {
    const { shop, redis } = house;
    await openShop();
    const file = await appendFile(shop.redis);
    await redis.kill();
    const backup = `${file.dir}.backup`;
    await cp(file.dir, backup, { recursive: true });
    await file.cutBy(20_000);
    await redis.start();
    await untilWaiting();
    await redis.kill();
    await rm(file.dir, { recursive: true });
    await rename(backup, file.dir); // an operator found it
    await redis.start();
    await house.untilOpen(1);
    expect(await house.recoveries()).toMatchObject([
      { finding: "INTACT", approved_at: null, finished_at: expect.any(Date), events_lost: 0 },
    ]);
    await house.expectBooks(1_000);
  });

  test("another finding than the one that was agreed to is asked about again", async () => {
    const { shop } = house;
    const worker = await openShop();
    await shop.redis.call("FLUSHALL");
    await untilWaiting();
    await worker.close();
    expect((await approve()).status).toBe(202);
    await shop.redis.set(shop.keys.seq, 7); // a copy of some other day
    await house.worker({ recovery: "manual" });
    await until("it asks again", async () =>
      (await house.recoveries())[0]?.approved_at === null ? true : undefined,
    );
    expectProblem(await reserve(), { status: 503, code: "RECOVERING" });
    await approve();
    await house.untilOpen(1);
    expect(await house.recoveries()).toMatchObject([{ finding: "TAIL_LOST" }]);
    await house.expectBooks(1_000);
  });

  test("what was agreed to is done by the next worker, when the first one dies", async () => {
    const { shop } = house;
    const worker = await openShop();
    await shop.redis.call("FLUSHALL");
    await untilWaiting();
    await worker.close();
    await approve();
    await house.worker({ recovery: "manual" });
    await house.untilOpen(1);
    await house.expectBooks(1_000);
  });
});

test("nothing to agree to is no recovery, and needs a key and no body", async () => {
  expectProblem(await approve(), { status: 404, code: "NOT_FOUND" });
  const bare = await postJson(`${api.url}/v1/recovery:approve`, {});
  expectProblem(bare, { status: 400, code: "IDEMPOTENCY_KEY_MISSING" });
  const odd = { "Idempotency-Key": fresh("key") };
  const full = await postJson(`${api.url}/v1/recovery:approve`, { force: true }, odd);
  expectProblem(full, { status: 400, code: "INVALID_REQUEST", members: memberErrors("#/force") });
});
