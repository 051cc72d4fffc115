import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { until } from "../../scripts/until.ts";
import { startApi } from "../setup/api.ts";
import { untilRecorded } from "../worker/books.ts";
import { type House, openHouse } from "./house.ts";
import { openAdmitter, untilHeard } from "./workers.ts";

let house: House;

beforeEach(async () => {
  house = await openHouse();
});

afterEach(() => house.close());

type Admitter = Awaited<ReturnType<typeof openAdmitter>>;
/** Events that are recorded, and then nobody records any more. */
async function recordSome(): Promise<void> {
  const { shop, database } = house;
  await shop.stock("tea", 1_000);
  const worker = await house.worker();
  await house.untilOpen();
  await shop.trade(10, "tea");
  await untilRecorded(shop.redis, database.url);
  await worker.close();
}

/** Has an admitter let Redis in again, which is not done by itself. */
async function untilAdmitted(admitter: Admitter, generation: number): Promise<void> {
  await until("Redis is open again", async () => {
    await admitter.runOnce().catch(() => {}); // its connections come back in a moment
    const is_open = (await house.state()) === "OPEN" && (await house.generation()) === generation;
    return is_open ? true : undefined;
  });
}

test("what was decided last before FLUSHALL is counted, though nobody looked", async () => {
  const { shop, urls } = house;
  await recordSome();
  const admitter = await openAdmitter(urls);
  try {
    await untilHeard(admitter.heard, 10);
    await shop.trade(6, "tea");
    await shop.redis.call("FLUSHALL");
    await untilAdmitted(admitter, 2);
    expect(await house.recoveries()).toMatchObject([
      {
        ...{ finding: "EMPTY", events_lost: 6 },
        report: { redis_seq: 0, applied_seq: 10, seen_seq: 16, heard_all: true },
      },
    ]);
    expect(admitter.errors()).toMatchObject([{ events_lost: 6, exact: true }]);
  } finally {
    await admitter.close();
  }
  await house.worker();
  await shop.scripts.learn();
  await shop.trade(10, "tea");
  await house.expectBooks(1_000);
});

test("an API process tells what it has heard when no worker was there", async () => {
  const { shop, redis, database, urls } = house;
  await recordSome();
  const api = await startApi({ redisUrl: redis.url, databaseUrl: database.url, admits: false });
  try {
    await untilHeard(api.heard, 10);
    await shop.trade(6, "tea");
    await shop.redis.call("FLUSHALL");
    const admitter = await openAdmitter(urls);
    await untilAdmitted(admitter, 2);
    await admitter.close();
    const { body } = await readRecovery(api.url);
    expect(body).toMatchObject({ report: { finding: "EMPTY", lost: { events: 6, exact: true } } });
  } finally {
    await api.close();
  }
});

test("of what nobody has heard the report does not say that it is all", async () => {
  const { shop, redis, database, urls } = house;
  await recordSome();
  await shop.trade(6, "tea");
  await shop.redis.call("FLUSHALL");
  const api = await startApi({ redisUrl: redis.url, databaseUrl: database.url, admits: false });
  const admitter = await openAdmitter(urls);
  try {
    await untilAdmitted(admitter, 2);
    const { body } = await readRecovery(api.url);
    expect(body).toMatchObject({ report: { finding: "EMPTY", lost: { events: 0, exact: false } } });
    expect(admitter.warnings().at(-1)).toMatchObject({ events_lost: 0, exact: false });
    // From here on they hear all again.
    await untilHeard(admitter.heard, 10);
    await shop.scripts.learn();
    await shop.trade(4, "tea");
    await shop.redis.call("FLUSHALL");
    await untilAdmitted(admitter, 3);
    expect(await house.recoveries()).toMatchObject([
      { events_lost: 0, report: { heard_all: false } },
      { events_lost: 4, report: { heard_all: true } },
    ]);
  } finally {
    await admitter.close();
    await api.close();
  }
});

test("whoever has listened with a break in between has not heard all", async () => {
  const { shop, redis, urls } = house;
  await recordSome();
  const admitter = await openAdmitter(urls);
  try {
    await untilHeard(admitter.heard, 10);
    await shop.trade(6, "tea");
    await untilHeard(admitter.heard, 16); // or it might be killed before it has said so
    await redis.kill();
    await redis.start();
    await until("Redis answers", () => shop.redis.get("any").catch(() => undefined));
    await shop.redis.call("FLUSHALL");
    await untilAdmitted(admitter, 2);
    expect(await house.recoveries()).toMatchObject([
      { events_lost: 6, report: { seen_seq: 16, heard_all: false } },
    ]);
  } finally {
    await admitter.close();
  }
});

async function readRecovery(url: string) {
  const response = await fetch(`${url}/v1/recovery`);
  return { status: response.status, body: await response.json() };
}
