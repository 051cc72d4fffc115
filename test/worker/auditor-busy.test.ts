import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeEach, expect, test } from "@jest/globals";
import { until } from "../../scripts/until.ts";
import { startLoop } from "../../worker/loop.ts";
import { callContext } from "../setup/deciding-side.ts";
import { freshDatabase, freshRedis } from "../setup/stack.ts";
import { allFindings, openAuditor, openFindings } from "./audit-side.ts";
import { compareBooks, untilRecorded } from "./books.ts";
import { openNewShop, openRecorder } from "./parts.ts";
import { query } from "./query.ts";
import type { Shop } from "./shop.ts";

const TEST_MS_MAX = 90_000;
const SKUS = ["tea", "milk", "bread"];

const redis = await freshRedis();
const database = await freshDatabase();
const urls = { redisUrl: redis.url, databaseUrl: database.url };
let shop: Shop;
const closers: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  const opened = await openNewShop(redis.url, database.url);
  shop = opened.shop;
  await opened.recorder.close();
});

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
  await shop.close();
});

afterAll(async () => {
  await redis.close();
  await database.close();
});

/** Runs it as a worker does, until it is stopped; then what it was in the middle of is lost. */
async function running<Part extends { runOnce: () => Promise<number>; close: () => Promise<void> }>(
  open: () => Promise<Part & Pick<Awaited<ReturnType<typeof openAuditor>>, "log">>,
) {
  const part = await open();
  const loop = startLoop({ name: "test", idle_ms: 5, runOnce: part.runOnce }, part.log);
  let stopped = false;
  const stop = async () => {
    if (!stopped) await loop.stop();
    if (!stopped) await part.close();
    stopped = true;
  };
  closers.push(stop);
  return { ...part, stop };
}

const runRecorder = () => running(() => openRecorder(urls));
const runAuditor = () => running(() => openAuditor(urls));

/** Goes on until it is stopped, `clients` at a time; each takes a turn after the other. */
function busy(clients: number, turn: (n: number) => Promise<unknown>) {
  let [going, turns] = [true, 0];
  const client = async () => {
    while (going) await turn(turns++);
  };
  const ended = Promise.all(Array.from({ length: clients }, client));
  const stop = async () => {
    going = false;
    await ended;
  };
  closers.push(stop);
  const untilTurns = (count: number) => {
    const goal = turns + count;
    return until("more was sold", () => (turns >= goal ? true : undefined), 30_000);
  };
  return { stop, untilTurns };
}

function change(sku: string, operation: "ADJUST" | "COUNT", units: number) {
  const input = { sku, store_id: "main", operation, units, reason: "manual" };
  const idem = { route: "adjust" as const, key: randomUUID(), request: [input] };
  return shop.counter.changeStock(input, idem, callContext());
}

const transfer = (sku: string) =>
  shop.counter.transferStock(
    { from_store: "main", to_store: "north", lines: [{ sku, quantity: 1 }] },
    randomUUID(),
    callContext(),
  );

const purchase = (sku: string) =>
  shop.counter.purchase(
    { sku, quantity: 1, user_id: "bob", policy: "round-robin" },
    randomUUID(),
    callContext(),
  );

/** Everything that can happen to stock, one after the other. */
async function anything(n: number): Promise<unknown> {
  const sku = SKUS[n % SKUS.length] ?? "tea";
  switch (n % 10) {
    case 0:
      return change(sku, "ADJUST", 20);
    case 1:
      return change(sku, "COUNT", 500);
    case 2:
      return transfer(sku);
    case 3:
      return purchase(sku);
    case 4:
      return shop.redis.incrby(`stock:${sku}`, 3);
    case 5: {
      const hold_id = await shop.reserve(SKUS, { ttl_seconds: 0.001 });
      return until(
        "it is due",
        async () =>
          (await shop.inventory.expireHold(hold_id, callContext())) === "EXPIRED" || undefined,
      );
    }
    case 6:
      return shop.cancel(await shop.reserve(SKUS));
    case 7:
      return shop.reserve(sku);
    default:
      return shop.confirm(await shop.reserve(SKUS));
  }
}

const untilLooked = (auditor: Awaited<ReturnType<typeof openAuditor>>, rounds: number) =>
  until(
    "all was looked at",
    async () => ((await auditor.rounds()) >= rounds ? true : undefined),
    30_000,
  );

test(
  "in a busy sale nothing is told but stock that was set by hand, whatever stops in between",
  async () => {
    for (const sku of SKUS) await shop.stock(sku, 1_000);
    let recorder = await runRecorder();
    let auditor = await runAuditor();
    const sale = busy(6, anything);
    await sale.untilTurns(300);
    await untilLooked(auditor, 5);
    await recorder.stop();
    await sale.untilTurns(200);
    recorder = await runRecorder();
    await auditor.stop();
    await sale.untilTurns(100);
    auditor = await runAuditor();
    await Promise.all([auditor.stop(), recorder.stop()]);
    [recorder, auditor] = await Promise.all([runRecorder(), runAuditor()]);
    await sale.untilTurns(300);
    await untilLooked(auditor, (await auditor.rounds()) + 10);
    await sale.stop();
    await untilRecorded(shop.redis, database.url);

    const told = (await allFindings(database.url)).filter(({ kind }) => kind !== "CHANGED_OUTSIDE");
    expect(told).toEqual([]);
    // Each of them has an event after it was set by hand.
    for (const sku of SKUS) await change(sku, "ADJUST", 1);
    await untilRecorded(shop.redis, database.url);
    await untilLooked(auditor, (await auditor.rounds()) + 3);
    expect(await openFindings(database.url)).toEqual([]);
    expect(await compareBooks(shop.redis, database.url)).toEqual([]);
    const wrong = await query(
      database.url,
      `select sku from audited_stocks full join stock_levels using (sku, store_id)
       where (audited_stocks.available, audited_stocks.held, audited_stocks.version)
           is distinct from (stock_levels.available, stock_levels.held, stock_levels.version)
         or stocked + adjusted + returned - sold <> audited_stocks.available + audited_stocks.held`,
    );
    expect(wrong).toEqual([]);
  },
  TEST_MS_MAX,
);

test(
  "a stock that never rests is audited all the same",
  async () => {
    await shop.stock("tea", 100_000);
    await runRecorder();
    const auditor = await runAuditor();
    const sale = busy(4, async () => shop.confirm(await shop.reserve("tea")));
    await sale.untilTurns(50);
    await untilLooked(auditor, 5);
    expect(await allFindings(database.url)).toEqual([]);

    await shop.redis.hincrby("item:tea", "held", 5);
    await until("it is told", async () => (await openFindings(database.url))[0]);
    expect(await openFindings(database.url)).toMatchObject([{ sku: "tea", kind: "HELD" }]);
    await sale.untilTurns(20);
    await shop.redis.hincrby("item:tea", "held", -5);
    await until("it is gone", async () =>
      (await openFindings(database.url)).length === 0 ? true : undefined,
    );
    await sale.stop();
  },
  TEST_MS_MAX,
);
