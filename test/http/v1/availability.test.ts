import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { dump } from "../dump.ts";
import { expectProblem } from "../expect-problem.ts";
import { fresh } from "../shop.ts";
import { type BackOffice, openBackOffice } from "./back-office.ts";

let office: BackOffice;
beforeAll(async () => {
  office = await openBackOffice({ request_budget_ms: 5_000 }); // half of it for a silent Redis
});
afterAll(() => office.close());

const count = (sku: string, storeId: string, onHand: number) =>
  office.post("/v1/items:set-absolute", { sku, storeId, onHand });
const reserve = (sku: string, storeId: string, qty: number) =>
  office.post("/v1/reservations", { storeId, lines: [{ sku, qty }] });

describe("availability", () => {
  test("says what each store has, the default one first", async () => {
    const sku = await office.shop.stock(5);
    await count(sku, "rome", 7);
    const counted = await count(sku, "berlin", 9);
    await reserve(sku, "rome", 3);
    await office.shop.api.redis.set(`stock:${fresh("other")}`, 1);
    const { status, headers, body } = await office.get(`/v1/availability?sku=${sku}`);
    expect(status).toBe(200);
    expect(body).toEqual({
      sku,
      totalAvailable: 18,
      level: "IN_STOCK",
      perStore: [
        {
          ...{ sku, storeId: "main", onHand: 5, reserved: 0, available: 5, version: 0 },
          level: "LOW",
          lastEventAt: null,
        },
        {
          ...{ sku, storeId: "berlin", onHand: 9, reserved: 0, available: 9, version: 1 },
          level: "LOW",
          lastEventAt: counted.body.occurredAt,
        },
        {
          ...{ sku, storeId: "rome", onHand: 7, reserved: 3, available: 4, version: 2 },
          level: "LOW",
          lastEventAt: expect.stringMatching(/Z$/),
        },
      ],
    });
    expect(headers.get("x-projection-lag-ms")).toBe("0");
    expect(headers.get("cache-control")).toBe("no-cache");
  });

  test("at a sku's own address is the same", async () => {
    const sku = await office.shop.stock(5);
    await count(sku, "berlin", 9);
    for (const query of ["", "storeId=berlin"]) {
      const one = await office.get(`/v1/items/${sku}/availability?${query}`);
      expect(one.status).toBe(200);
      expect(one.text).toBe((await office.get(`/v1/availability?sku=${sku}&${query}`)).text);
    }
  });

  test("may be of one store only", async () => {
    const sku = await office.shop.stock(5);
    await count(sku, "berlin", 9);
    const { body } = await office.get(`/v1/availability?sku=${sku}&storeId=berlin`);
    expect(body).toMatchObject({ totalAvailable: 9, perStore: [{ storeId: "berlin" }] });
    const elsewhere = await office.get(`/v1/availability?sku=${sku}&storeId=${fresh("store")}`);
    expect(elsewhere.body).toEqual({ sku, totalAvailable: 0, level: "SOLD_OUT", perStore: [] });
  });

  test("of several skus has an item for each, once, in the order asked", async () => {
    const [a, b, unknown] = [await office.shop.stock(1), await office.shop.stock(2), fresh("none")];
    const { status, body } = await office.get(`/v1/availability?skus=${b},${unknown},${a},${b}`);
    expect(status).toBe(200);
    expect(body).toEqual({
      items: [
        expect.objectContaining({ sku: b, totalAvailable: 2 }),
        { sku: unknown, totalAvailable: 0, level: "SOLD_OUT", perStore: [] },
        expect.objectContaining({ sku: a, totalAvailable: 1 }),
      ],
    });
    const single = await office.get(`/v1/availability?skus=${a}`);
    expect(single.body).toMatchObject({ items: [{ sku: a, perStore: [{ onHand: 1 }] }] });
  });

  test.each([99, 100])("may be of %d skus, in one call of Redis", async (number) => {
    const skus = Array.from({ length: number }, (_, i) => `many-${i}`);
    await office.shop.api.redis.mset(skus.flatMap((sku, i) => [`stock:${sku}`, String(i)]));
    await office.get(`/v1/availability?skus=${skus}`); // what is only read at first is read now
    const calls = async () => {
      const stats = await office.shop.api.redis.info("commandstats");
      return Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1]);
    };
    const before = await calls();
    const { body } = await office.get(`/v1/availability?skus=${skus}`);
    expect(await calls()).toBe(before + 1);
    const items = body.items as { sku: string; totalAvailable: number }[];
    expect(items.map(({ sku, totalAvailable }) => [sku, totalAvailable])).toEqual(
      skus.map((sku, i) => [sku, i]),
    );
  });

  test("of a sku that nobody has stocked is not found, and reading makes nothing", async () => {
    const before = await dump(office.shop.api.redis);
    for (const sku of [fresh("none"), "__proto__", "constructor"]) {
      const refusal = { status: 404, code: "UNKNOWN_SKU", members: { sku } };
      expectProblem(await office.get(`/v1/availability?sku=${sku}`), refusal);
      expectProblem(await office.get(`/v1/items/${sku}/availability`), refusal);
    }
    const { body } = await office.get("/v1/availability?skus=__proto__,constructor");
    expect(body.items).toHaveLength(2);
    expect(await dump(office.shop.api.redis)).toEqual(before);
  });

  test("of a sku with a corrupt stock is a problem", async () => {
    const sku = await office.shop.stock("abc");
    expectProblem(await office.get(`/v1/availability?sku=${sku}`), {
      status: 500,
      code: "CORRUPT_STOCK",
    });
  });
});

describe("the ETag of availability", () => {
  test("spares the body while nothing changes", async () => {
    const sku = await office.shop.stock(5);
    const path = `/v1/availability?sku=${sku}`;
    const first = await office.get(path);
    const etag = String(first.headers.get("etag"));
    expect(etag).toMatch(/^"[\w-]{22}"$/);
    for (const tag of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
      const same = await office.get(path, { "if-none-match": tag });
      expect([same.status, same.text]).toEqual([304, ""]);
      expect(same.headers.get("etag")).toBe(etag);
      expect(same.headers.get("x-projection-lag-ms")).toBe("0");
    }
    await reserve(sku, "main", 1);
    const changed = await office.get(path, { "if-none-match": etag });
    expect(changed.status).toBe(200);
    expect(changed.headers.get("etag")).not.toBe(etag);
  });
});

// Last, since it takes Redis away.
describe("while Redis is away, availability", () => {
  test("is read from the ledger within the budget, though Redis is only silent", async () => {
    const sku = await office.shop.stock(5);
    await reserve(sku, "main", 2);
    await office.record();
    office.shop.redis.kill("SIGSTOP");
    const asked = performance.now();
    const answer = await office.get(`/v1/items/${sku}/availability`).finally(() => {
      office.shop.redis.kill("SIGCONT");
    });
    expect(performance.now() - asked).toBeLessThan(5_000 + 1_000);
    expect(answer.body).toMatchObject({
      totalAvailable: 3,
      perStore: [{ onHand: 5, reserved: 2 }],
    });
    expect(Number(answer.headers.get("x-projection-lag-ms"))).toBeGreaterThan(0);
    await office.shop.untilRedis("there");
  });

  test("is read from the ledger, which says how old it may be; and from Redis again afterwards", async () => {
    const { shop } = office;
    const sku = await shop.stock(5);
    await count(sku, "berlin", 9);
    await reserve(sku, "main", 2);
    await office.record();
    const recorded = performance.now();
    const path = `/v1/availability?sku=${sku}`;
    const fresh_read = await office.get(path);
    await shop.redis.kill();
    await shop.untilRedis("gone");

    const unrecorded_ms = performance.now() - recorded;
    const stale = await office.get(path);
    expect(stale.status).toBe(200);
    const byStore = ({ body }: typeof stale) =>
      new Map((body.perStore as { storeId: string }[]).map((level) => [level.storeId, level]));
    expect(byStore(stale)).toEqual(byStore(fresh_read));
    const lag_ms = Number(stale.headers.get("x-projection-lag-ms"));
    expect(lag_ms).toBeGreaterThanOrEqual(unrecorded_ms);
    const etag = String(stale.headers.get("etag"));
    expect((await office.get(path, { "if-none-match": etag })).status).toBe(304);

    const none = fresh("none");
    expectProblem(await office.get(`/v1/items/${none}/availability`), {
      status: 404,
      code: "UNKNOWN_SKU",
      members: { sku: none },
    });
    const several = await office.get(`/v1/availability?skus=${none},${sku}&storeId=berlin`);
    expect(several.body).toMatchObject({
      items: [
        { sku: none, totalAvailable: 0, perStore: [] },
        { sku, totalAvailable: 9, perStore: [{ storeId: "berlin" }] },
      ],
    });

    await shop.startRedis();
    const back = await office.get(path);
    expect(back.body).toEqual(fresh_read.body);
    expect(back.headers.get("x-projection-lag-ms")).toBe("0");
  });
});
