import { afterAll, beforeEach, describe, expect, test } from "@jest/globals";
import { forgetRecords, once, RECORD_ROUTES, readRecords } from "../../src/postgres/once.ts";
import { freshDatabase } from "../setup/stack.ts";
import { countRows, query } from "../worker/query.ts";
import { addStore, call, doneBy } from "./once-calls.ts";
import { patientPool } from "./patient-pool.ts";

const HOUR = 3_600_000;

const database = await freshDatabase();
const pool = patientPool(database.url);

beforeEach(async () => {
  await query(database.url, "truncate idempotency_records, stores");
});

afterAll(async () => {
  await pool.end();
  await database.close();
});

const stores = () => countRows(database.url, "stores");
const records = () => countRows(database.url, "idempotency_records");
const age = (hours: number) =>
  query(
    database.url,
    "update idempotency_records set created_at = now() - make_interval(secs => $1)",
    [hours * 3_600],
  );
const refusal = (code: string) => expect.objectContaining({ code });

describe("a record", () => {
  test.each([
    [23.99, true],
    [24.01, false],
  ])("that is %d hours old: replayed is %s", async (hours, replayed) => {
    await once(pool, call(), addStore("a"));
    await age(hours);
    expect(await once(pool, call({ fingerprint: "one" }), addStore("b"))).toMatchObject({
      replayed,
    });
    expect(await readRecords(pool, "key-1")).toHaveLength(1);
  });

  test("that has expired leaves its key to another request, for as long as a new one", async () => {
    await once(pool, call(), addStore("a"));
    await age(24.01);
    expect(await readRecords(pool, "key-1")).toEqual([]);
    const other = call({ fingerprint: "two" });
    expect(await once(pool, other, addStore("b"))).toMatchObject({ replayed: false });
    expect(await once(pool, other, addStore("c"))).toMatchObject({
      result: doneBy("b"),
      replayed: true,
    });
    await expect(once(pool, call(), addStore("d"))).rejects.toEqual(
      refusal("IDEMPOTENCY_KEY_REUSED"),
    );
    expect(await records()).toBe(1);
  });

  test("that has expired is taken over by one of twenty requests at once", async () => {
    await once(pool, call(), addStore("a"));
    await age(24.01);
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => once(pool, call(), addStore(`store-${i}`))),
    );
    expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect(await stores()).toBe(2);
  });

  test("stays as it was when the request that would take it over fails", async () => {
    await once(pool, call(), addStore("a"));
    await age(24.01);
    await expect(once(pool, call(), () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    const [row] = await query(database.url, "select fingerprint, result from idempotency_records");
    expect(row).toEqual({ fingerprint: "one", result: doneBy("a") });
  });
});

describe("readRecords", () => {
  test("tells what a key did on each route, and when", async () => {
    const before = Date.now();
    for (const route of RECORD_ROUTES) await once(pool, call({ route }), async () => ({ route }));
    await once(pool, call({ key: "key-2" }), addStore("a"));
    const found = await readRecords(pool, "key-1");
    expect(found.map(({ route, result }) => ({ route, result }))).toEqual(
      RECORD_ROUTES.map((route) => ({ route, result: { route } })),
    );
    for (const { recorded_at } of found) {
      expect(recorded_at).toBeGreaterThanOrEqual(before - 1);
      expect(recorded_at).toBeLessThanOrEqual(Date.now() + 1);
    }
    expect(await readRecords(pool, "key-3")).toEqual([]);
  });
});

describe("forgetRecords", () => {
  const keys = async () =>
    (
      await query<{ key: string }>(database.url, "select key from idempotency_records order by key")
    ).map(({ key }) => key);
  const fill = async () => {
    for (const [i, key] of ["a", "b", "c", "d"].entries()) {
      await once(pool, call({ key }), async () => null);
      await query(
        database.url,
        "update idempotency_records set created_at = to_timestamp($1::float8 / 1000) where key = $2",
        [(i + 1) * HOUR, key],
      );
    }
  };

  test("deletes what is older than a time, to the millisecond", async () => {
    await fill();
    expect(await forgetRecords(pool, HOUR, 10)).toBe(0);
    expect(await forgetRecords(pool, HOUR + 1, 10)).toBe(1);
    expect(await forgetRecords(pool, 3 * HOUR + 1, 10)).toBe(2);
    expect(await keys()).toEqual(["d"]);
  });

  test("deletes the oldest first, and no more than it is told", async () => {
    await fill();
    expect(await forgetRecords(pool, 5 * HOUR, 1)).toBe(1);
    expect(await keys()).toEqual(["b", "c", "d"]);
    expect(await forgetRecords(pool, 5 * HOUR, 2)).toBe(2);
    expect(await keys()).toEqual(["d"]);
    expect(await forgetRecords(pool, 5 * HOUR, 2)).toBe(1);
    expect(await forgetRecords(pool, 5 * HOUR, 2)).toBe(0);
  });

  test("leaves alone what a request takes over at this moment", async () => {
    await fill();
    const gate = Promise.withResolvers<null>();
    const begun = Promise.withResolvers<null>();
    const taking = once(pool, call({ key: "a" }), () => {
      begun.resolve(null);
      return gate.promise;
    });
    await begun.promise;
    expect(await forgetRecords(pool, 5 * HOUR, 10)).toBe(3);
    gate.resolve(null);
    expect(await taking).toEqual({ result: null, replayed: false });
    expect(await keys()).toEqual(["a"]);
  });
});
