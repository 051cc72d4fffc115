import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { startApi } from "../../setup/api.ts";
import { expectProblem } from "../expect-problem.ts";
import { type Answer, fresh, openShop, type Shop } from "../shop.ts";
import { callsTo } from "./back-office.ts";
import { createDice } from "./dice.ts";

let shop: Shop;
let other: Awaited<ReturnType<typeof startApi>>;
beforeAll(async () => {
  const request_budget_ms = 20_000; // what is asked here must be answered, however slow the machine
  shop = await openShop({ request_budget_ms });
  const [redisUrl, databaseUrl] = [shop.redis.url, shop.database.url];
  other = await startApi({ redisUrl, databaseUrl, request_budget_ms });
});
afterAll(async () => {
  await other.close();
  await shop.close();
});

const post = (i: number, path: string, body: unknown) =>
  callsTo(i % 2 ? other.url : shop.api.url).post(path, body);

type Line = { sku: string; qty: number };

const sum = (lines: Line[]) => {
  const sums = new Map<string, number>();
  for (const { sku, qty } of lines) sums.set(sku, (sums.get(sku) ?? 0) + qty);
  return sums;
};

test("200 reservations at once, their lines in any order over 20 skus, never oversell and never hang", async () => {
  const dice = createDice(4);
  const STOCKED = 40;
  const skus = await Promise.all(Array.from({ length: 20 }, () => shop.stock(STOCKED)));
  // Some name a sku twice.
  const wishes = Array.from({ length: 200 }, () =>
    Array.from({ length: 1 + dice(10) }, () => ({ sku: skus[dice(20)] ?? "", qty: 1 + dice(3) })),
  );
  const answers = await Promise.all(
    wishes.map((lines, i) => post(i, "/v1/reservations", { lines })),
  );
  const taken: Line[] = [];
  for (const [i, answer] of answers.entries()) {
    const asked = wishes[i] ?? [];
    if (answer.status === 202) taken.push(...asked);
    else expectShort(answer, sum(asked));
  }
  const sold = sum(taken);
  expect(
    sum(wishes.flat())
      .values()
      .some((qty) => qty > STOCKED),
  ).toBe(true);
  for (const sku of skus) {
    const held = sold.get(sku) ?? 0;
    expect(held).toBeLessThanOrEqual(STOCKED);
    expect(await shop.unitsOf(sku)).toEqual({ available: STOCKED - held, held });
  }
  // All of it comes back as it went.
  const ids = answers.flatMap(({ body }) => (body.reservationId ? [body.reservationId] : []));
  await Promise.all(ids.map((id, i) => post(i, `/v1/reservations/${id}:cancel`, {})));
  for (const sku of skus) expect(await shop.unitsOf(sku)).toEqual({ available: STOCKED, held: 0 });
});

/** A refusal that names every line that is short, and only those. */
function expectShort(answer: Answer, asked: Map<string, number>): void {
  const { sku, requested, available, held, lines, earliestReleaseAt } = answer.body;
  const short = (lines ?? [{ sku, storeId: "main", requested, available, held }]) as {
    sku: string;
    requested: number;
    available: number;
    held: number;
  }[];
  const all_held = short.every((line) => line.held > 0);
  expectProblem(answer, {
    status: 409,
    code: all_held ? "ALL_HELD" : "SOLD_OUT",
    members: {
      ...{ sku: short[0]?.sku, requested: short[0]?.requested, available: short[0]?.available },
      held: short[0]?.held,
      ...(earliestReleaseAt === undefined ? {} : { earliestReleaseAt }),
      ...(lines === undefined ? {} : { lines }),
    },
  });
  expect(short.length).toBeGreaterThan(0);
  for (const line of short) {
    expect(line.requested).toBe(asked.get(line.sku));
    expect(line.available).toBeLessThan(line.requested);
    expect(line.available).toBeGreaterThanOrEqual(0);
  }
}

type Stock = { available: number; held: number };
type Event = {
  type: string;
  payload: { on_hand?: number; lines: (Stock & { quantity?: number; available_delta?: number })[] };
};

async function eventsOf(sku: string): Promise<Event[]> {
  const entries = await shop.api.redis.xrange("inventory.events", "-", "+");
  return entries.flatMap(([, fields]) => {
    const value = (name: string) => fields[fields.indexOf(name) + 1] ?? "";
    const payload = JSON.parse(value("payload")) as Event["payload"]; // as Lua has written it
    return value("payload").includes(`"${sku}"`) ? [{ type: value("type"), payload }] : [];
  });
}

/** What a stock is after an event, by that event's own meaning. */
function after({ available, held }: Stock, { type, payload }: Event): Stock {
  const { quantity = 0, available_delta = 0 } = payload.lines[0] ?? {};
  switch (type) {
    case "HOLD_CREATED":
      return { available: available - quantity, held: held + quantity };
    case "HOLD_CONFIRMED":
      return { available, held: held - quantity };
    case "HOLD_CANCELLED":
      return { available: available + quantity, held: held - quantity };
    case "HOLD_PURCHASED":
      return { available: available - quantity, held };
    case "STOCK_COUNTED":
      return { available: Math.max(0, (payload.on_hand ?? Number.NaN) - held), held };
    case "STOCK_ADJUSTED":
      return { available: available + available_delta, held };
    default:
      throw new Error(`nobody has asked for a ${type}`);
  }
}

test("recounts during a sale keep what is available what is on hand less what is held", async () => {
  const dice = createDice(7);
  const sku = await shop.stock(50);

  async function shopper(i: number) {
    const { status, body } = await post(i, "/v1/reservations", {
      lines: [{ sku, qty: 1 + dice(3) }],
    });
    if (status !== 202) return;
    const end = ["confirm", "cancel", "none"][dice(3)];
    if (end === "none") return;
    const ended = await post(i, `/v1/reservations/${body.reservationId}:${end}`, {});
    expect(ended.status).toBe(202);
  }
  async function counter(i: number) {
    const onHand = dice(60);
    const { status, body } = await post(i, "/v1/items:set-absolute", { sku, onHand });
    expect(status).toBe(202);
    const reserved = Number(body.reserved);
    expect(body).toMatchObject({
      available: Math.max(0, onHand - reserved),
      onHand: Math.max(onHand, reserved),
      shortfall: Math.max(0, reserved - onHand),
    });
  }
  async function clerk(i: number) {
    const delta = dice(2) ? 1 + dice(9) : -1 - dice(9);
    const { status } = await post(i, "/v1/adjustments", { sku, delta, reason: "manual" });
    expect([202, 409]).toContain(status);
  }
  const buyer = (i: number) => post(i, "/v1/purchase", { sku, qty: 1 });

  const parts = [shopper, shopper, counter, clerk, buyer];
  await Promise.all(Array.from({ length: 300 }, (_, i) => parts[i % parts.length]?.(i)));

  const events = await eventsOf(sku);
  expect(new Set(events.map(({ type }) => type)).size).toBe(6);
  let stock: Stock = { available: 50, held: 0 };
  for (const event of events) {
    stock = after(stock, event);
    expect(event.payload.lines).toMatchObject([stock]);
    expect(Math.min(stock.available, stock.held)).toBeGreaterThanOrEqual(0);
  }
  expect(await shop.unitsOf(sku)).toEqual(stock);
});

test("a reservation, a purchase and an adjustment at once for the last unit: one of them gets it", async () => {
  for (let round = 0; round < 20; round += 1) {
    const sku = await shop.stock(1);
    const answers = await Promise.all([
      post(0, "/v1/reservations", { lines: [{ sku, qty: 1 }] }),
      post(1, "/v1/purchase", { sku, qty: 1 }),
      post(0, "/v1/adjustments", { sku, delta: -1, reason: "damage" }),
      post(1, "/v1/transfers", {
        fromStore: "main",
        toStore: fresh("s"),
        lines: [{ sku, qty: 1 }],
      }),
    ]);
    const statuses = answers.map(({ status }) => status).sort();
    // Who comes behind a transfer buys what was moved, if it may choose the store.
    const moved = answers[3]?.status === 202 && answers[1]?.status === 202;
    expect(statuses).toEqual(moved ? [202, 202, 409, 409] : [202, 409, 409, 409]);
  }
});
