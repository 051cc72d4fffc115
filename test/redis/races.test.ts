import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { Redis } from "ioredis";
import { isHoldEvent } from "../../src/domain/event.ts";
import { parseEvent } from "../../src/domain/parse-event.ts";
import { Rejection } from "../../src/domain/rejection.ts";
import { dueHoldIds } from "../../src/redis/deadlines.ts";
import { callContext, openDecidingSide } from "../setup/deciding-side.ts";
import { freshRedis } from "../setup/stack.ts";

const HOLDS = 2_000;
const SWEEPERS = 3;
const LONG_MS = 25_000;
const ENDINGS = ["CONFIRMED", "CANCELLED", "EXPIRED"];

let server: Awaited<ReturnType<typeof freshRedis>>;
let admin: Redis;
let sides: Awaited<ReturnType<typeof openDecidingSide>>[];
beforeAll(async () => {
  server = await freshRedis();
  admin = new Redis(server.url);
  // Each as a process of its own would have it: two APIs, and the sweepers.
  sides = await Promise.all(
    Array.from({ length: 2 + SWEEPERS }, () => openDecidingSide(server.url)),
  );
});
afterAll(async () => {
  await Promise.all(sides.map((side) => side.close()));
  admin.disconnect();
  await server.close();
});

test("2,000 holds that are confirmed, cancelled and swept at once end once each", async () => {
  const [one, two, ...sweepers] = sides;
  if (!one || !two) throw new Error("Two sides were opened.");
  await admin.set("stock:phone", String(HOLDS));
  const rejected = (error: unknown) => {
    if (error instanceof Rejection) return error.code;
    throw error;
  };
  const context = () => callContext(LONG_MS);

  // The shortest-lived holds there are: confirms and cancels come at each side of the deadline. One in
  // ten lives on: on a busy machine all of them may come too late for the others.
  const answers = Promise.all(
    Array.from({ length: HOLDS }, async (_, i) => {
      const ttl_seconds = i % 10 === 0 ? 60 : 1;
      const { hold_id, created_at } = await one.inventory.createHold(
        {
          lines: [{ sku: "phone", store_id: "main", quantity: 1 }],
          user_id: "user-1",
          ttl_seconds,
          idempotency_key: `key-${i}`,
        },
        context(),
      );
      const wait = created_at + 1_000 - one.clock.now() - 450 + (i % 10) * 55;
      await new Promise((resolve) => setTimeout(resolve, wait));
      const confirm = () =>
        one.inventory
          .confirmHold({ hold_id, payment_ref: `p-${i}` }, context())
          .then(() => "CONFIRMED", rejected);
      const cancel = () =>
        two.inventory
          .cancelHold({ hold_id, reason: "" }, context())
          .then(({ status, replayed }) => (replayed ? `again ${status}` : status), rejected);
      // Of those asked at once it may always be the same that comes first: some are asked one by one.
      if (i % 40 === 0) return [await confirm(), await cancel()];
      if (i % 40 === 20) return [await cancel(), await confirm()];
      return Promise.all([confirm(), cancel()]);
    }),
  );
  let asked = true;
  const swept = sweepers.map(async ({ inventory, redis, keys, stream }) => {
    const outcomes: string[] = [];
    while (asked || (await admin.zcard(keys.deadlines)) > 0) {
      const due = await dueHoldIds(redis, keys, await stream.now(), 100);
      outcomes.push(
        ...(await Promise.all(due.map(({ hold_id }) => inventory.expireHold(hold_id, context())))),
      );
    }
    return outcomes;
  });
  const asks = await answers.finally(() => {
    asked = false;
  });
  const sweeps = (await Promise.all(swept)).flat();

  const events = (await admin.xrange(one.keys.stream, "-", "+")).map(([, flat]) =>
    parseEvent(
      Object.fromEntries(flat.flatMap((name, i) => (i % 2 ? [] : [[name, flat[i + 1] ?? ""]]))),
    ),
  );
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, i) => i + 1));
  const endings = events.filter(isHoldEvent).filter(({ type }) => type !== "HOLD_CREATED");
  expect(endings).toHaveLength(HOLDS);
  expect(new Set(endings.map(({ payload }) => payload.hold_id)).size).toBe(HOLDS);

  const count = (status: string) =>
    endings.filter(({ payload }) => payload.status === status).length;
  // Each ending was said to exactly one of those who asked for it.
  const said = [...asks.flat(), ...sweeps];
  for (const status of ENDINGS) {
    expect([status, said.filter((word) => word === status).length]).toEqual([
      status,
      count(status),
    ]);
    expect([status, count(status)]).not.toEqual([status, 0]);
  }
  const statuses = await Promise.all(
    endings.map(({ payload }) => admin.hget(`hold:${payload.hold_id}`, "status")),
  );
  expect(statuses).toEqual(endings.map(({ payload }) => payload.status));

  expect(await admin.get("stock:phone")).toBe(String(HOLDS - count("CONFIRMED")));
  expect(await admin.hmget("item:phone", "held", "version")).toEqual(["0", String(2 * HOLDS)]);
  expect(await admin.zcard(one.keys.deadlines)).toBe(0);
});
