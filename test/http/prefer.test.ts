import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { until } from "../../scripts/until.ts";
import { type Answer, fresh } from "./shop.ts";
import { type BackOffice, openBackOffice } from "./v1/back-office.ts";

let office: BackOffice;
let sku: string;
beforeAll(async () => {
  office = await openBackOffice();
});
afterAll(() => office.close());
beforeEach(async () => {
  sku = await office.shop.stock(1_000);
  await office.record();
});

const adjust = (headers: Record<string, string> = {}) =>
  office.post("/v1/adjustments", { sku, delta: 1, reason: "receipt" }, headers);

const told = ({ status, body, headers }: Answer) => ({
  status,
  recorded: body.recorded,
  applied: headers.get("preference-applied"),
});
const RECORDED = { status: 200, recorded: true, applied: "wait=5" };
const NOT_RECORDED = { status: 202, recorded: false, applied: null };

/** Records what a write has decided, once it is decided. */
async function whileRecording<T>(write: Promise<T>): Promise<T> {
  const before = await office.shop.api.stream.lastSeq();
  await until("it is decided", async () =>
    (await office.shop.api.stream.lastSeq()) > before ? true : undefined,
  );
  await office.record();
  return write;
}

describe("with Prefer: wait=5", () => {
  test("a confirm is answered when it is recorded", async () => {
    const { hold_id } = await office.shop.hold();
    await office.record();
    const body = { hold_id, payment_ref: "pay" };
    const answer = await whileRecording(office.shop.confirm(body, { prefer: "wait=5" }));
    expect(told(answer)).toEqual(RECORDED);
    expect(answer.body).toMatchObject({ hold_id, status: "CONFIRMED", payment_ref: "pay" });
    const order = await office.get(`/v1/orders/${answer.body.order_id}`);
    expect(order.status).toBe(200);
  });

  test("so is a write of /v1, and its replay, at once", async () => {
    const answer = await whileRecording(adjust({ key: "again", prefer: "wait=5" }));
    expect(told(answer)).toEqual(RECORDED);
    const replay = await adjust({ key: "again", prefer: "wait=5" });
    expect(told(replay)).toEqual(RECORDED);
    expect(replay.headers.get("idempotent-replayed")).toBe("true");
    expect(replay.body).toEqual(answer.body);
  });

  test("so is a write that Postgres alone has", async () => {
    const product = { sku: fresh("product"), name: "Tea" };
    expect(told(await office.post("/v1/products", product, { prefer: "wait=5" }))).toEqual(
      RECORDED,
    );
  });

  test("a refusal waits for nothing, and says nothing of it", async () => {
    const body = { sku, delta: -2_000, reason: "sale" };
    const answer = await office.post("/v1/adjustments", body, { prefer: "wait=5" });
    expect(told(answer)).toEqual({ status: 409, recorded: undefined, applied: null });
  });

  test("two hundred are woken by the recorder's word, without asking for it", async () => {
    const asked = async () => {
      const info = await office.shop.api.redis.info("commandstats");
      return Number(/cmdstat_get:calls=(\d+)/.exec(info)?.[1] ?? 0);
    };
    const before = await asked();
    const first = await office.shop.api.stream.lastSeq();
    const answers = Promise.all(Array.from({ length: 200 }, () => adjust({ prefer: "wait=10" })));
    await until("all are decided", async () =>
      (await office.shop.api.stream.lastSeq()) === first + 200 ? true : undefined,
    );
    // Each asks once for the seq to wait for. What scripts ask is counted too, a few for each call.
    const decided = await asked();
    await office.record();
    const recorded = { ...RECORDED, applied: "wait=10" };
    expect((await answers).map(told)).toEqual(Array(200).fill(recorded));
    expect((await asked()) - decided).toBeLessThan(210);
    expect(decided - before).toBeLessThan(2_000);
  });

  test("one whose subscription broke is answered all the same", async () => {
    await adjust({ prefer: "wait=0" }); // it subscribes
    const { redis, stream } = office.shop.api;
    const before = await stream.lastSeq();
    const answer = adjust({ prefer: "wait=5" });
    await until("it is decided", async () =>
      (await stream.lastSeq()) > before ? true : undefined,
    );
    expect(await redis.call("CLIENT", "KILL", "TYPE", "pubsub")).toBeGreaterThan(0);
    await office.record();
    expect(told(await answer)).toEqual(RECORDED);
  });
});

describe("when nobody records", () => {
  test("the answer comes after the time, and says so", async () => {
    const began = performance.now();
    expect(told(await adjust({ prefer: "wait=1" }))).toEqual(NOT_RECORDED);
    expect(performance.now() - began).toBeGreaterThan(950);
  });

  test("with a time of 0 it comes at once", async () => {
    expect(told(await adjust({ prefer: "wait=0" }))).toEqual(NOT_RECORDED);
  });

  test("a confirm that is not recorded is a 202", async () => {
    const { hold_id } = await office.shop.hold();
    const answer = await office.shop.confirm({ hold_id, payment_ref: "pay" }, { prefer: "wait=0" });
    expect(told(answer)).toEqual(NOT_RECORDED);
  });
});

describe("nothing changes", () => {
  test.each([undefined, "respond-async", "wait=soon", "wait=-1", "wait", "wait=1.5", ""])(
    "with Prefer: %s",
    async (prefer) => {
      const answer = await adjust(prefer === undefined ? {} : { prefer });
      expect(told(answer)).toEqual({ status: 202, recorded: undefined, applied: null });
    },
  );

  test("for a reserve, which has no such promise to make", async () => {
    const wish = { sku, qty: 1, user_id: "ann", idempotency_key: fresh("key") };
    const answer = await office.shop.reserve(wish, { prefer: "wait=5" });
    expect(told(answer)).toEqual({ status: 201, recorded: undefined, applied: null });
  });
});

test.each([
  ["handling=lenient, wait=5", "wait=5"],
  ['Wait="7"', "wait=7"],
  ["wait=10", "wait=10"],
  ["wait=11", "wait=10"],
  ["wait=999999999", "wait=10"],
])("Prefer: %s is taken for %s", async (prefer, applied) => {
  expect(told(await whileRecording(adjust({ prefer })))).toEqual({ ...RECORDED, applied });
});
