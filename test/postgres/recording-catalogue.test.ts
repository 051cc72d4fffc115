import { afterAll, beforeEach, describe, expect, test } from "@jest/globals";
import pg from "pg";
import { until } from "../../scripts/until.ts";
import { newEventId } from "../../src/domain/ids.ts";
import { monotonicNow } from "../../src/now.ts";
import { freshDatabase } from "../setup/stack.ts";
import { emptyLedger, query } from "../worker/query.ts";
import { created, NOON, recording, stockEvent } from "./recorded.ts";

// What recording does beside the ledger's own tables.
const database = await freshDatabase();

beforeEach(() => emptyLedger(database.url));

afterAll(() => database.close());

const refused = { ended_at: NOON };

describe("stores", () => {
  const stores = () =>
    query(database.url, "select store_id, name, latency_rank from stores order by store_id");
  const called = (store_id: string, name = store_id) => ({ store_id, name, latency_rank: 0 });
  const moved = (seq: number, ...store_ids: string[]) =>
    stockEvent(seq, "STOCK_TRANSFERRED", {
      lines: store_ids.map((store_id) => ({
        ...{ sku: "tea", store_id, available_delta: 0, available: 0, held: 0, version: seq },
      })),
    });

  test("that events speak of are made, called by their ids", async () => {
    await recording(database.url, async (to) => {
      await to.apply([created(1)], "1-0");
      await to.apply([moved(2, "west", "main", "east"), moved(3, "west")], "1-0");
    });
    expect(await stores()).toEqual(["east", "main", "shop-1", "west"].map((id) => called(id)));
  });

  test("that somebody has named keep their name and rank", async () => {
    await query(database.url, "insert into stores values ('main', 'The main one', 7)");
    await recording(database.url, (to) => to.apply([created(1)], "1-0"));
    expect(await stores()).toEqual([
      { store_id: "main", name: "The main one", latency_rank: 7 },
      called("shop-1"),
    ]);
  });

  test("of a batch that was refused are made when they are met again", async () => {
    await recording(database.url, async (to) => {
      await expect(to.apply([created(1, refused)], "1-0")).rejects.toThrow();
      expect(await stores()).toEqual([]);
      await to.apply([created(1)], "1-0");
    });
    expect(await stores()).toEqual([called("main"), called("shop-1")]);
  });

  test("are looked for once by each recorder", async () => {
    await recording(database.url, async (to) => {
      await to.apply([created(1)], "1-0");
      await query(database.url, "delete from stores where store_id = 'main'");
      await to.apply([created(2)], "1-0");
      expect(await stores()).toEqual([called("shop-1")]);
    });
    await recording(database.url, (to) => to.apply([created(3)], "1-0"));
    expect(await stores()).toEqual([called("main"), called("shop-1")]);
  });
});

describe("what a new product was promised", () => {
  const promised = async () => {
    const rows = await query<{ event_id: string }>(
      database.url,
      "select event_id from initial_stocks order by event_id",
    );
    return rows.map(({ event_id }) => event_id);
  };
  const promise = (event_id: string) =>
    query(
      database.url,
      `insert into initial_stocks (event_id, sku, store_id, units, request_id)
       values ($1, 'tea', 'main', 5, 'r')`,
      [event_id],
    );

  test("is settled when its event is recorded, and other promises are not", async () => {
    const [event, counted, other] = [
      stockEvent(1, "STOCK_ADJUSTED"),
      stockEvent(2, "STOCK_COUNTED"),
      newEventId(),
    ];
    for (const id of [event.event_id, counted.event_id, other]) await promise(id);
    await recording(database.url, async (to) => {
      await to.apply([counted, created(3)], "1-0");
      expect(await promised()).toContain(event.event_id);
      await to.apply([event, stockEvent(4, "STOCK_ADJUSTED")], "1-0");
    });
    expect(await promised()).toEqual([counted.event_id, other]);
  });

  test("stays promised when its event is refused with its batch", async () => {
    const event = stockEvent(1, "STOCK_ADJUSTED");
    await promise(event.event_id);
    await recording(database.url, async (to) => {
      await expect(to.apply([event, created(2, refused)], "1-0")).rejects.toThrow();
      expect(await promised()).toEqual([event.event_id]);
      await to.apply([event], "1-0");
    });
    expect(await promised()).toEqual([]);
  });
});

describe("caught_up_at", () => {
  /** In ms; null when nobody has read everything yet. */
  const caughtUpAt = async () => {
    const [row] = await query<{ at: number | null }>(
      database.url,
      "select (extract(epoch from caught_up_at) * 1000)::float8 as at from recorder_progress",
    );
    return row?.at;
  };
  /** A moment by both clocks; Postgres's is this machine's. */
  const moment = () => ({ monotonic: monotonicNow(), wall: Date.now() + 1 });

  test("is unknown as long as batches leave something unread", async () => {
    await recording(database.url, async (to) => {
      expect(await caughtUpAt()).toBeNull();
      await to.apply([created(1)], "1-0");
      await to.apply([created(2)], "2-0", { all_read_at: null });
      await to.stayInTouch(null);
      expect(await caughtUpAt()).toBeNull();
    });
  });

  test("is when the stream was asked for all it had, and stays there while there is more", async () => {
    await recording(database.url, async (to) => {
      const asked = moment();
      await to.apply([created(1)], "1-0", { all_read_at: asked.monotonic });
      const at = await caughtUpAt();
      expect(at).toBeLessThanOrEqual(asked.wall);
      expect(at).toBeGreaterThan(asked.wall - 1_000);
      await to.apply([created(2)], "2-0");
      await to.bury({ entry_id: "3-0", fields: {}, error: "why", attempts: 1, seq: 3 });
      await to.stayInTouch(null);
      expect(await caughtUpAt()).toBe(at);
    });
  });

  test("moves when there was nothing to read, and nothing else does", async () => {
    const progress = () =>
      query(
        database.url,
        "select applied_seq, applied_entry_id, updated_at from recorder_progress",
      );
    await recording(database.url, async (to) => {
      await to.apply([created(1)], "1-0");
      const before = await progress();
      const asked = moment();
      await to.stayInTouch(asked.monotonic);
      const at = await caughtUpAt();
      expect(at).toBeLessThanOrEqual(asked.wall);
      expect(at).toBeGreaterThan(asked.wall - 1_000);
      expect(await progress()).toEqual(before);
    });
  });

  test.each([["apply"], ["stayInTouch"]])("is not newer when %s had to wait", async (call) => {
    const somebody = new pg.Client({ connectionString: database.url });
    await somebody.connect();
    try {
      await recording(database.url, async (to) => {
        await to.apply([created(1)], "1-0");
        await somebody.query("begin; select from recorder_progress for update");
        const asked = moment();
        const all_read_at = asked.monotonic;
        const working =
          call === "apply"
            ? to.apply([created(2)], "2-0", { all_read_at })
            : to.stayInTouch(all_read_at);
        await until("it waits for the row", async () => {
          const { rows } = await somebody.query(
            `select from pg_stat_activity
             where datname = current_database() and wait_event_type = 'Lock'`,
          );
          return rows.length > 0 && Date.now() > asked.wall + 300 ? true : undefined;
        });
        await somebody.query("commit");
        await working;
        expect(await caughtUpAt()).toBeLessThanOrEqual(asked.wall);
      });
    } finally {
      await somebody.end();
    }
  });

  test("is not newer when the read was long ago", async () => {
    await recording(database.url, async (to) => {
      await to.apply([created(1)], "1-0", { all_read_at: monotonicNow() - 3_600_000 });
      expect(await caughtUpAt()).toBeLessThanOrEqual(Date.now() - 3_600_000);
    });
  });
});
