import { afterAll, beforeEach, describe, expect, test } from "@jest/globals";
import { until } from "../../scripts/until.ts";
import { Rejection } from "../../src/domain/rejection.ts";
import { once } from "../../src/postgres/once.ts";
import { OutcomeUnknown, type Transaction } from "../../src/postgres/transaction.ts";
import { freshDatabase } from "../setup/stack.ts";
import { countRows, query } from "../worker/query.ts";
import { addStore, call, doneBy } from "./once-calls.ts";
import { patientPool } from "./patient-pool.ts";

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
const refusal = (code: string) => expect.objectContaining({ code });

describe("once", () => {
  test("does the work and gives its result, and the same again without doing it", async () => {
    expect(await once(pool, call(), addStore("a"))).toEqual({
      result: doneBy("a"),
      replayed: false,
    });
    expect(await once(pool, call(), addStore("b"))).toEqual({
      result: doneBy("a"),
      replayed: true,
    });
    expect(await stores()).toBe(1);
  });

  test.each([[null], [0], [false], [""], [[]], ["null"]])("gives %j again", async (result) => {
    const work = async () => result;
    expect(await once(pool, call(), work)).toEqual({ result, replayed: false });
    expect(await once(pool, call(), work)).toEqual({ result, replayed: true });
  });

  test("refuses the key to another request, and does nothing of it", async () => {
    await once(pool, call(), addStore("a"));
    const other = once(pool, call({ fingerprint: "two" }), addStore("b"));
    await expect(other).rejects.toEqual(refusal("IDEMPOTENCY_KEY_REUSED"));
    await expect(other).rejects.toBeInstanceOf(Rejection);
    expect(await stores()).toBe(1);
    expect(await once(pool, call(), addStore("c"))).toMatchObject({ replayed: true });
  });

  test("keeps keys and routes apart", async () => {
    await once(pool, call(), addStore("a"));
    const others = [call({ key: "key-2" }), call({ route: "create_product" })];
    for (const [i, other] of others.entries()) {
      expect(await once(pool, other, addStore(`b-${i}`))).toMatchObject({ replayed: false });
    }
    expect(await stores()).toBe(3);
  });

  // More of them than the pool has connections.
  test("makes one effect of twenty equal requests at once, and gives all of them its result", async () => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => once(pool, call(), addStore(`store-${i}`))),
    );
    expect(await stores()).toBe(1);
    const [first] = answers.filter(({ replayed }) => !replayed);
    expect(answers.filter(({ replayed }) => replayed)).toHaveLength(19);
    for (const { result } of answers) expect(result).toEqual(first?.result);
  });

  test("lets one of two different requests with one key at once through", async () => {
    const answers = await Promise.allSettled([
      once(pool, call({ fingerprint: "one" }), addStore("a")),
      once(pool, call({ fingerprint: "two" }), addStore("b")),
    ]);
    expect(answers.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    expect(answers).toContainEqual({
      status: "rejected",
      reason: refusal("IDEMPOTENCY_KEY_REUSED"),
    });
    expect(await stores()).toBe(1);
  });

  test("does not hold up other keys while one is at work", async () => {
    const gate = Promise.withResolvers<null>();
    const slow = once(pool, call(), () => gate.promise);
    await once(pool, call({ key: "key-2" }), addStore("a"));
    gate.resolve(null);
    await slow;
  });

  const refused = new Rejection("PRODUCT_EXISTS", "There is one already.");
  test.each([
    ["a rejection", refused],
    ["a failure", new Error("no")],
  ])("leaves nothing behind %s, and the key may try again", async (_, error) => {
    const failing = async (transaction: Transaction) => {
      await addStore("a")(transaction);
      throw error;
    };
    await expect(once(pool, call(), failing)).rejects.toBe(error);
    expect([await stores(), await records()]).toEqual([0, 0]);
    expect(await once(pool, call(), addStore("b"))).toMatchObject({ replayed: false });
  });

  test("leaves nothing behind a statement that Postgres refuses", async () => {
    const failing = async (transaction: Transaction) => {
      await addStore("a")(transaction);
      await addStore("a")(transaction);
      return null;
    };
    await expect(once(pool, call(), failing)).rejects.toMatchObject({ code: "23505" });
    expect([await stores(), await records()]).toEqual([0, 0]);
  });

  test("lets a waiting twin do the work when the first one fails", async () => {
    const gate = Promise.withResolvers<null>();
    const begun = Promise.withResolvers<null>();
    const first = once(pool, call(), () => {
      begun.resolve(null);
      return gate.promise;
    });
    const failed = expect(first).rejects.toThrow("no");
    await begun.promise;
    const second = once(pool, call(), addStore("a"));
    await until("the twin waits for the first one", async () => {
      const waiting =
        "select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
      return (await query(database.url, waiting)).length === 1 || undefined;
    });
    gate.reject(new Error("no"));
    await failed;
    expect(await second).toEqual({ result: doneBy("a"), replayed: false });
  });

  test("leaves no connection in a transaction, whatever happens", async () => {
    const failures = [refused, new Error("no")].flatMap((error) =>
      Array.from({ length: 10 }, () =>
        once(pool, call(), () => Promise.reject(error)).catch(() => {}),
      ),
    );
    await Promise.all([...failures, once(pool, call(), addStore("a"))]);
    expect(pool.waitingCount).toBe(0);
    expect(pool.idleCount).toBe(pool.totalCount);
    const states = await query(
      database.url,
      "select from pg_stat_activity where datname = current_database() and state like 'idle in%'",
    );
    expect(states).toEqual([]);
  });

  test("when the connection is lost before the commit, nothing was done", async () => {
    const losing = async (transaction: Transaction) => {
      await addStore("a")(transaction);
      await loseConnection(transaction);
      return null;
    };
    const lost = once(pool, call(), losing);
    await expect(lost).rejects.toThrow();
    await expect(lost).rejects.not.toBeInstanceOf(OutcomeUnknown);
    expect([await stores(), await records()]).toEqual([0, 0]);
    expect(await once(pool, call(), addStore("b"))).toMatchObject({ replayed: false });
  });

  test("when the connection is lost at the commit, nobody knows, and the same call finds out", async () => {
    // Ends the session while it commits: the deferred trigger is the last thing a commit carries out.
    await query(
      database.url,
      `create function lose() returns trigger language plpgsql as $$
       begin perform pg_terminate_backend(pg_backend_pid()); return null; end $$;
       create constraint trigger lost after insert on stores deferrable initially deferred
       for each row execute function lose()`,
    );
    await expect(once(pool, call(), addStore("a"))).rejects.toBeInstanceOf(OutcomeUnknown);
    await query(database.url, "drop function lose() cascade");
    expect(await once(pool, call(), addStore("b"))).toEqual({
      result: doneBy("b"),
      replayed: false,
    });
    expect(await stores()).toBe(1);
  });

  test("a commit that Postgres refuses is a failure, and nothing was done", async () => {
    await query(
      database.url,
      `create function refuse() returns trigger language plpgsql as $$
       begin raise exception 'on purpose' using errcode = '23514'; end $$;
       create constraint trigger refused after insert on stores deferrable initially deferred
       for each row execute function refuse()`,
    );
    await expect(once(pool, call(), addStore("a"))).rejects.toMatchObject({ code: "23514" });
    await query(database.url, "drop function refuse() cascade");
    expect([await stores(), await records()]).toEqual([0, 0]);
  });
});

/** Ends the session of a transaction from outside. */
async function loseConnection(transaction: Transaction): Promise<void> {
  const { rows } = await transaction.query<{ pid: number }>("select pg_backend_pid() as pid");
  await query(database.url, "select pg_terminate_backend($1, 5000)", [rows[0]?.pid]);
}
