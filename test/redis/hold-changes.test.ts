import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { Redis } from "ioredis";
import { until } from "../../scripts/until.ts";
import { Rejection } from "../../src/domain/rejection.ts";
import { readScripts, type ScriptName } from "../../src/redis/scripts.ts";
import { callContext, openDecidingSide } from "../setup/deciding-side.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import { freshRedis } from "../setup/stack.ts";
import { startProxy, type TcpProxy } from "./tcp-proxy.ts";

const LONG_MS = 20_000;
const STOCKED = 1_000;

let server: Awaited<ReturnType<typeof freshRedis>>;
let admin: Redis;
let proxy: TcpProxy;
let side: Awaited<ReturnType<typeof openDecidingSide>>;
beforeAll(async () => {
  server = await freshRedis();
  admin = new Redis(server.url);
  proxy = await startProxy(server.port);
});
beforeEach(async () => {
  await emptyRedis(admin);
  await admin.mset("stock:phone", STOCKED, "stock:case", STOCKED);
  side = await openDecidingSide(proxy.url);
});
afterEach(async () => {
  proxy.pass();
  await side.close();
});
afterAll(async () => {
  admin.disconnect();
  await proxy.close();
  await server.close();
});

const context = () => callContext(LONG_MS);
const eventCount = () => admin.xlen(side.keys.stream);
const hashOf = (hold_id: string) => admin.hgetall(side.keys.hold(hold_id));
const stockOf = async (sku: string) => [
  Number(await admin.get(side.keys.stock(sku, "main"))),
  Number(await admin.hget(side.keys.item(sku, "main"), "held")),
];

async function hold(quantity = 1, ttl_seconds = 60): Promise<string> {
  const input = {
    lines: [{ sku: "phone", store_id: "main", quantity }],
    ...{ user_id: "ann", ttl_seconds, idempotency_key: randomUUID() },
  };
  return (await side.inventory.createHold(input, context())).hold_id;
}
const extend = (hold_id: string, ttl_seconds: number, idempotency_key?: string) =>
  side.inventory.extendHold({ hold_id, ttl_seconds, idempotency_key }, context());
const change = (
  hold_id: string,
  wanted: { sku: string; quantity: number }[],
  idempotency_key: string = randomUUID(),
) => side.inventory.changeHold({ hold_id, wanted, idempotency_key }, context());
const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "DONE",
    (error: unknown) => (error instanceof Rejection ? error.code : error),
  );

/** Loses the reply to the first call of `script`, after it took effect. */
async function losingReply<T>(script: ScriptName, ask: () => Promise<T>): Promise<T> {
  const before = await eventCount();
  proxy.dropRepliesFrom(readScripts(side.scripts.generation() ?? 0).get(script)?.sha ?? "");
  const answer = ask();
  answer.catch(() => undefined);
  await until("it took effect", async () => ((await eventCount()) > before ? true : undefined));
  proxy.cut();
  proxy.pass();
  return answer;
}

describe("a lost reply", () => {
  test.each([undefined, "key"])(
    "of an extension is asked for again: one extension, and new to the caller (key: %s)",
    async (key) => {
      const id = await hold();
      const extended = await losingReply("extend_holds", () => extend(id, 120, key));
      expect(extended).toMatchObject({ replayed: false, extensions_left: 9 });
      expect(await eventCount()).toBe(2);
      expect(await hashOf(id)).toMatchObject({ extensions: "1", version: "2" });
    },
  );

  test.each([
    ["more", "change_holds", 5, "ACTIVE"],
    ["less", "reduce_holds", 1, "ACTIVE"],
    ["nothing", "reduce_holds", 0, "CANCELLED"],
  ] as const)(
    "of a change to %s is asked for again: one change, and new to the caller",
    async (_, script, quantity, status) => {
      const id = await hold(3);
      const wanted = [{ sku: "phone", quantity }];
      const changed = await losingReply(script, () => change(id, wanted, "k"));
      expect(changed).toMatchObject({ status, version: 2, replayed: false });
      expect(await change(id, wanted, "k")).toEqual({ ...changed, replayed: true });
      expect(await eventCount()).toBe(2);
      expect(await stockOf("phone")).toEqual([STOCKED - quantity, quantity]);
    },
  );
});

describe("at once", () => {
  test("50 extensions of one hold under one key are one, and under 50 keys as many as are allowed", async () => {
    const id = await hold();
    const same = await Promise.all(Array.from({ length: 50 }, () => extend(id, 100, "k")));
    expect(new Set(same.map(({ expires_at }) => expires_at)).size).toBe(1);
    expect(same.filter(({ replayed }) => !replayed)).toHaveLength(1);
    const codes = await Promise.all(
      Array.from({ length: 50 }, (_, i) => codeOf(extend(id, 200 + i, `k-${i}`))),
    );
    expect(codes.filter((code) => code === "LIMIT_EXCEEDED").length).toBeGreaterThan(0);
    const { extensions, expires_at } = await hashOf(id);
    expect(extensions).toBe("10");
    expect(await admin.zscore(side.keys.deadlines, id)).toBe(expires_at);
    expect(await eventCount()).toBe(11);
  });

  test("changes of one hold all happen, one after the other, and its units are its last lines", async () => {
    const id = await hold(5);
    const wishes = Array.from({ length: 60 }, (_, i) => [
      { sku: i % 2 ? "phone" : "case", quantity: 1 + (i % 7) },
    ]);
    const answers = await Promise.all(wishes.map((wanted) => change(id, wanted)));
    const { lines, version } = await hashOf(id);
    const last = answers.toSorted((a, b) => a.version - b.version).at(-1);
    expect(String(last?.version)).toBe(version);
    const of = (sku: string) => last?.lines.find((line) => line.sku === sku)?.quantity ?? 0;
    for (const sku of ["phone", "case"]) {
      expect(await stockOf(sku)).toEqual([STOCKED - of(sku), of(sku)]);
      expect(lines).toContain(`${sku}@main=${of(sku)}`);
    }
  });

  test("a change, a cancel and a confirm: the units go one way, whole", async () => {
    for (let round = 0; round < 20; round += 1) {
      await admin.set("stock:phone", STOCKED);
      const id = await hold(3);
      const [changed, , sold] = await Promise.all([
        codeOf(change(id, [{ sku: "phone", quantity: round % 2 ? 1 : 5 }])),
        codeOf(side.inventory.cancelHold({ hold_id: id, reason: "" }, context())),
        codeOf(side.inventory.confirmHold({ hold_id: id, payment_ref: "p" }, context())),
      ]);
      const quantity = changed === "DONE" ? (round % 2 ? 1 : 5) : 3;
      expect(await stockOf("phone")).toEqual([STOCKED - (sold === "DONE" ? quantity : 0), 0]);
    }
  });

  test("an extension and the sweeper: it lives on, or it has ended", async () => {
    for (let round = 0; round < 5; round += 1) {
      const id = await hold(1, 1);
      const { expires_at } = await hashOf(id);
      await until("it is nearly due", async () => {
        const [seconds, micros] = await admin.time();
        const now = Number(seconds) * 1_000 + Number(micros) / 1_000;
        return now > Number(expires_at) - 3 ? true : undefined;
      });
      const ends = async () => {
        let word = "";
        while (
          word !== "EXPIRED" &&
          word !== "ENDED" &&
          (await hashOf(id)).extensions === undefined
        )
          word = await side.inventory.expireHold(id, context());
        return word;
      };
      const [code] = await Promise.all([codeOf(extend(id, 60)), ends()]);
      const { status } = await hashOf(id);
      expect([code, status]).toEqual(
        code === "DONE" ? ["DONE", "ACTIVE"] : ["HOLD_EXPIRED", "EXPIRED"],
      );
      const due = await admin.zscore(side.keys.deadlines, id);
      expect(due === null).toBe(status === "EXPIRED");
    }
  });

  test("500 changes of one customer's holds never pass what a customer may have", async () => {
    const rules = { max_per_customer: 20 };
    await side.rules.changeRules({ sku: "phone", rules }, "rules", context());
    const ids = await Promise.all(Array.from({ length: 5 }, () => hold(1)));
    const codes = await Promise.all(
      Array.from({ length: 500 }, (_, i) =>
        codeOf(change(ids[i % 5] ?? "", [{ sku: "phone", quantity: 1 + (i % 13) }])),
      ),
    );
    expect(codes).toContain("LIMIT_EXCEEDED");
    expect(codes.every((code) => code === "LIMIT_EXCEEDED" || code === "DONE")).toBe(true);
    const events = await admin.xrange(side.keys.stream, "-", "+");
    const [, held = 0] = await stockOf("phone");
    expect(await admin.hget(side.keys.customers, "phone ann")).toBe(`${held} 5`);
    const counts = events.flatMap(([, fields]) => {
      const { lines } = JSON.parse(fields[fields.indexOf("payload") + 1] ?? "{}");
      return lines ? [Number(lines[0].held)] : [];
    });
    expect(Math.max(...counts)).toBeLessThanOrEqual(20);
    expect(Math.max(...counts)).toBeGreaterThan(15);
  });
});
