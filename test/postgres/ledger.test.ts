import { afterAll, beforeEach, describe, expect, test } from "@jest/globals";
import { newEventId, newHoldId } from "../../src/domain/ids.ts";
import { answers, connect, createPool, isRefusal } from "../../src/postgres/client.ts";
import { createLedger } from "../../src/postgres/ledger.ts";
import { openRecording } from "../../src/postgres/recording.ts";
import { freshDatabase } from "../setup/stack.ts";
import { keptLog } from "../worker/parts.ts";
import { emptyLedger, query } from "../worker/query.ts";
import { created, NOON, recording } from "./recorded.ts";

const database = await freshDatabase();
const pool = createPool(database.url, keptLog().log);
const ledger = createLedger(pool);

beforeEach(() => emptyLedger(database.url));

afterAll(async () => {
  await pool.end();
  await database.close();
});

describe("readHold", () => {
  test("is null for a hold that nobody recorded", async () => {
    expect(await ledger.readHold(newHoldId())).toBeNull();
    expect(await ledger.readHold("'; drop table holds; --")).toBeNull();
  });

  test("gives an active hold with its lines by sku", async () => {
    const event = created(1);
    await recording(database.url, (to) => to.apply([event], "1-0"));
    expect(await ledger.readHold(event.payload.hold_id)).toEqual({
      hold_id: event.payload.hold_id,
      status: "ACTIVE",
      user_id: "ann",
      lines: [
        { sku: "cup", store_id: "shop-1", quantity: 1 },
        { sku: "tea", store_id: "main", quantity: 2 },
      ],
      created_at: NOON,
      expires_at: NOON + 1,
      version: 1,
    });
  });

  test.each([
    ["HOLD_CONFIRMED", "CONFIRMED", { order_id: "O-1", payment_ref: "pay" }],
    ["HOLD_CANCELLED", "CANCELLED", {}],
    ["HOLD_EXPIRED", "EXPIRED", {}],
  ] as const)("gives a hold as a %s left it", async (type, status, more) => {
    const event = created(1);
    const ended = { ...more, status, version: 2, ended_at: NOON + 7 };
    const ending = { ...event, event_id: newEventId(), type, seq: 2 };
    await recording(database.url, (to) => to.apply([event], "1-0"));
    const payload = { ...event.payload, ...ended };
    await recording(database.url, (to) => to.apply([{ ...ending, payload }], "2-0"));
    expect(await ledger.readHold(event.payload.hold_id)).toMatchObject(ended);
  });

  test("keeps the newest version when an older one comes late", async () => {
    const event = created(1);
    const payload = { ...event.payload, status: "EXPIRED" as const, version: 2, ended_at: NOON };
    const ending = { ...event, event_id: newEventId(), type: "HOLD_EXPIRED" as const, seq: 2 };
    await recording(database.url, (to) => to.apply([{ ...ending, payload }], "2-0"));
    await recording(database.url, (to) => to.apply([event], "1-0"));
    expect(await ledger.readHold(event.payload.hold_id)).toMatchObject({ status: "EXPIRED" });
  });
});

describe("readProgress", () => {
  test("begins at zero", async () => {
    expect(await ledger.readProgress()).toEqual({ applied_seq: 0, applied_entry_id: "0-0" });
  });

  test("tells the highest seq and the newest entry, as numbers and text", async () => {
    await recording(database.url, (to) => to.apply([created(1), created(2)], "1760000000000-12"));
    expect(await ledger.readProgress()).toEqual({
      applied_seq: 2,
      applied_entry_id: "1760000000000-12",
    });
    await recording(database.url, (to) => to.apply([created(3)], "1760000000000-9"));
    expect(await ledger.readProgress()).toEqual({
      applied_seq: 3,
      applied_entry_id: "1760000000000-12",
    });
    expect(await ledger.readProgress(1)).toEqual({ applied_seq: 0, applied_entry_id: "0-0" });
  });
});

describe("openRecording", () => {
  test("gives one recording for each partition, until it is closed", async () => {
    await recording(database.url, async () => {
      expect(await openRecording(database.url, 0)).toBeNull();
      const other = await openRecording(database.url, 1);
      expect(other).not.toBeNull();
      await other?.close();
    });
    await recording(database.url, async () => {});
  });
});

describe("partitions of stock_movements", () => {
  const partitionOf = async (occurred_at: number) => {
    const event = created(1, { occurred_at });
    await recording(database.url, (to) => to.apply([event], "1-0"));
    const [row] = await query<{ name: string }>(
      database.url,
      "select distinct tableoid::regclass::text as name from stock_movements where event_id = $1",
      [event.event_id],
    );
    return row?.name;
  };
  const dropPartitions = () =>
    query(
      database.url,
      `do $$ declare name text; begin
         for name in select inhrelid::regclass::text from pg_inherits
           where inhparent = 'stock_movements'::regclass and inhrelid <> 'stock_movements_default'::regclass
         loop execute 'drop table ' || name; end loop; end $$`,
    );
  const today = new Date();
  const month = (ahead: number) =>
    new Date(Date.UTC(today.getUTCFullYear(), today.getUTCMonth() + ahead, 1));
  const nameOf = (start: Date) =>
    `stock_movements_${start.toISOString().slice(0, 7).replace("-", "_")}`;

  beforeEach(dropPartitions);

  test("are made for this month and the next ones, once", async () => {
    expect(await ledger.makeMovementPartitions(3)).toBe(3);
    expect(await ledger.makeMovementPartitions(3)).toBe(0);
    expect(await ledger.makeMovementPartitions(4)).toBe(1);
  });

  test("take the movements of their month from its first to its last millisecond", async () => {
    await ledger.makeMovementPartitions(3);
    const [start, end] = [month(1).getTime(), month(2).getTime()];
    expect(await partitionOf(start - 1)).toBe(nameOf(month(0)));
    expect(await partitionOf(start)).toBe(nameOf(month(1)));
    expect(await partitionOf(end - 1)).toBe(nameOf(month(1)));
    expect(await partitionOf(end)).toBe(nameOf(month(2)));
  });

  test("leave movements of any other time to the default one", async () => {
    await ledger.makeMovementPartitions(3);
    expect(await partitionOf(0)).toBe("stock_movements_default");
    expect(await partitionOf(month(3).getTime())).toBe("stock_movements_default");
  });

  // The recorder may come first: the stream may be full when the first worker starts.
  test("are made though movements of their month lie in the default one", async () => {
    expect(await partitionOf(Date.now())).toBe("stock_movements_default");
    expect(await ledger.makeMovementPartitions(3)).toBe(3);
    expect(await partitionOf(Date.now())).toBe(nameOf(month(0)));
    const [row] = await query(database.url, "select count(*)::int as n from stock_movements");
    expect(row).toEqual({ n: 8 }); // two events of two lines, each with an EXTERNAL one
  });
});

describe("isRefusal", () => {
  const raised = (code: string) =>
    pool
      .query(`do $$ begin raise exception 'on purpose' using errcode = '${code}'; end $$`)
      .catch((error: unknown) => error);

  test.each([
    "21000",
    "22001",
    "22003",
    "22007",
    "22021",
    "22P02",
    "23502",
    "23503",
    "23505",
    "23514",
    "42601",
    "42804",
  ])("is true for %s: Postgres refused the data", async (code) => {
    const error = await raised(code);
    expect(error).toMatchObject({ code });
    expect(isRefusal(error)).toBe(true);
  });

  test.each([
    "08006",
    "25006",
    "28000",
    "40001",
    "40P01",
    "42501",
    "42703",
    "42P01",
    "53100",
    "53200",
    "53300",
    "54000",
    "55006",
    "55P03",
    "57014",
    "57P01",
    "57P03",
    "58030",
    "XX000",
  ])("is false for %s: it is no event's fault", async (code) => {
    const error = await raised(code);
    expect(error).toMatchObject({ code });
    expect(isRefusal(error)).toBe(false);
  });

  test("is false for what is no answer of Postgres", () => {
    const refused = Object.assign(new Error("connect"), { code: "ECONNREFUSED" });
    for (const error of [refused, new Error("x"), { code: "23505" }, null, undefined, "22"]) {
      expect(isRefusal(error)).toBe(false);
    }
  });
});

test("of queries that were sent together it is the first one's error that counts", async () => {
  const first = new Promise((_, reject) => setTimeout(() => reject(new Error("refused")), 10));
  const second = Promise.reject(new Error("the transaction is aborted"));
  await expect(answers([Promise.resolve(), first, second])).rejects.toThrow("refused");
  expect(await answers([Promise.resolve(1), Promise.resolve("b")])).toEqual([1, "b"]);
});

test("a connection has a limit for statements, locks and idle transactions", async () => {
  const client = await connect(database.url, { statement_ms: 1_234 });
  const settings = ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"];
  const shown = await client.query(
    "select name, setting from pg_settings where name = any($1) order by name",
    [settings],
  );
  await client.end();
  expect(shown.rows).toEqual([
    { name: "idle_in_transaction_session_timeout", setting: "2468" },
    { name: "lock_timeout", setting: "1234" },
    { name: "statement_timeout", setting: "1234" },
  ]);
});
