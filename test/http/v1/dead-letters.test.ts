import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { until } from "../../../scripts/until.ts";
import { newEventId } from "../../../src/domain/ids.ts";
import { query } from "../../worker/query.ts";
import { expectProblem } from "../expect-problem.ts";
import { fresh } from "../shop.ts";
import { type BackOffice, type Items, invalid, openBackOffice } from "./back-office.ts";

const ISO_TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
/** A sku that Postgres refuses until it is told otherwise. */
const REFUSED = "refused";

let office: BackOffice;
beforeAll(async () => {
  office = await openBackOffice({ request_budget_ms: 20_000 });
});
afterAll(() => office.close());
beforeEach(async () => {
  await sql("delete from dead_events");
  await sql("alter table stock_movements drop constraint if exists refuses");
});

const sql = (text: string) => query(office.shop.database.url, text);
const refuse = () =>
  sql(`alter table stock_movements add constraint refuses check (sku <> '${REFUSED}') not valid`);
const accept = () => sql("alter table stock_movements drop constraint refuses");

/** Puts an entry into the stream that is no event, and returns its id. */
async function poison(payload = "{"): Promise<string> {
  const redis = office.shop.api.redis;
  const seq = String(await redis.incr("inventory.seq"));
  const fields = { event_id: newEventId(), type: "HOLD_CREATED", seq, payload };
  const flat = Object.entries(fields).flat();
  return String(await redis.xadd("inventory.events", "*", ...flat));
}

const letters = async () => (await office.get("/v1/dlt")).body.items as Items; // what a list answers
const idsOf = (items: Items) => items.map(({ messageId }) => messageId);
/** How often each was tried, alone or in a batch, newest first. */
const attempts = async () => (await letters()).map((letter) => Number(letter.attempts));
const replay = (body?: unknown, sent = {}) => office.post("/v1/dlt/replay", body, sent);

/** Lets the worker try what was asked for. */
const untilTried = () =>
  until("nothing is left to be tried", async () => {
    await office.recorder.runOnce();
    const open = (await letters()).filter(({ replayRequestedAt }) => replayRequestedAt !== null);
    return open.length === 0 ? true : undefined;
  });

describe("a dead letter", () => {
  test("is shown with its reason and the entry as it was", async () => {
    const messageId = await poison("{not json");
    await office.record();
    const { status, headers, body } = await office.get("/v1/dlt");
    expect(status).toBe(200);
    expect(body).toEqual({
      items: [
        {
          messageId,
          seq: expect.any(Number),
          error: "payload: not JSON",
          attempts: 1,
          failedAt: ISO_TIME,
          replayRequestedAt: null,
          entry: {
            event_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
            type: "HOLD_CREATED",
            seq: expect.stringMatching(/^\d+$/),
            payload: "{not json",
          },
        },
      ],
      nextCursor: null,
    });
    const etag = String(headers.get("etag"));
    expect((await office.get("/v1/dlt", { "if-none-match": etag })).status).toBe(304);
  });

  test("that can be recorded by now is recorded when it is asked for, once, and is dead no more", async () => {
    await refuse();
    for (const delta of [5, 7]) await office.adjust(REFUSED, "main", delta);
    await office.record();
    expect(await letters()).toHaveLength(2);
    expect((await office.get(`/v1/products/${REFUSED}/movements`)).body.items).toEqual([]);
    await accept();
    const { status, body } = await replay();
    expect([status, body.requested, body.unknown]).toEqual([202, 2, []]);
    expect((await replay()).body).toEqual(body); // asked twice before it was tried
    await untilTried();
    expect(await letters()).toEqual([]);
    const { body: history } = await office.get(`/v1/products/${REFUSED}/movements`);
    const kinds = (history.items as Items).filter(({ kind }) => kind === "STOCK_ADJUSTED");
    expect(kinds.map(({ onHandDelta }) => onHandDelta)).toEqual([7, 5]);
    const again = await replay({ messageIds: body.messageIds });
    expect(again.body).toEqual({ requested: 0, messageIds: [], unknown: body.messageIds });
    await office.recorder.runOnce();
    expect((await office.get(`/v1/products/${REFUSED}/movements`)).text).toContain(
      '"onHandDelta":7',
    );
    expect(await office.shop.unitsOf(REFUSED)).toEqual({ available: 12, held: 0 });
  });

  test("that fails again is kept, with another attempt, until it is asked for once more", async () => {
    const messageId = await poison();
    await office.record();
    const [before] = await letters();
    await replay();
    expect(await letters()).toMatchObject([
      { messageId, attempts: 1, replayRequestedAt: ISO_TIME },
    ]);
    await untilTried();
    const [after] = await letters();
    expect(after).toEqual({ ...before, attempts: 2, failedAt: ISO_TIME });
    await office.recorder.runOnce();
    expect(await letters()).toEqual([after]);
    await replay();
    await untilTried();
    expect(await letters()).toMatchObject([{ messageId, attempts: 3 }]);
  });

  test("is tried alone when it is named alone", async () => {
    const ids = [await poison(), await poison(), await poison()];
    await office.record();
    const before = await attempts();
    const { status, body } = await replay({ messageIds: [ids[1], ids[1], "0-1", "nothing"] });
    expect(status).toBe(202);
    expect(body).toEqual({
      requested: 1,
      messageIds: [ids[1]],
      unknown: expect.arrayContaining(["0-1", "nothing"]),
    });
    expect(body.unknown).toHaveLength(2);
    await untilTried();
    const [newest = 0, named = 0, oldest = 0] = before;
    expect(await attempts()).toEqual([newest, named + 1, oldest]);
  });
});

describe("the list of dead letters", () => {
  test("is paged to its end, newest first", async () => {
    const ids: string[] = [];
    for (let i = 0; i < 5; i += 1) ids.unshift(await poison());
    await office.record();
    for (const limit of [1, 2, 4, 5, 6]) {
      const pages = await office.pages("/v1/dlt", limit);
      expect(idsOf(pages.flat())).toEqual(ids);
      expect(pages).toHaveLength(Math.ceil(5 / limit));
    }
  });

  const cursorOf = (text: string) => Buffer.from(text).toString("base64url");
  test.each([
    ["limit", "0"],
    ["limit", "201"],
    ["limit", "a"],
    ["cursor", "*"],
    ["cursor", cursorOf("0")],
    ["cursor", cursorOf("-1")],
    ["cursor", cursorOf("x")],
    ["cursor", cursorOf("9999999999999999")],
    ["messageId", "1-0"],
  ])("refuses %s=%s", (name, value) =>
    office.expectRefused(() => office.get(`/v1/dlt?${name}=${value}`), invalid(`?${name}`)),
  );

  test("serves the smallest and the largest page", async () => {
    for (const limit of [1, 200]) {
      expect((await office.get(`/v1/dlt?limit=${limit}`)).status).toBe(200);
    }
  });
});

describe("a replay", () => {
  test("without a body is of all, as with an empty one", async () => {
    const messageIds = [await poison(), await poison()];
    await office.record();
    for (const body of [undefined, {}]) {
      const answer = await replay(body);
      expect([answer.status, answer.body]).toEqual([
        202,
        { requested: 2, messageIds, unknown: [] },
      ]);
    }
    await untilTried();
  });

  test("of none is told so", async () => {
    expect((await replay()).body).toEqual({ requested: 0, messageIds: [], unknown: [] });
  });

  test("under the same key is answered as before, and asks for nothing more", async () => {
    const key = fresh("key");
    await poison();
    await office.record();
    const first = await replay({}, { key });
    await untilTried();
    const again = await replay({}, { key });
    expect([again.status, again.text]).toEqual([202, first.text]);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    expect(await letters()).toMatchObject([{ attempts: 2, replayRequestedAt: null }]);
    const reused = await replay({ messageIds: ["1-0"] }, { key });
    expectProblem(reused, { status: 422, code: "IDEMPOTENCY_KEY_REUSED" });
  });

  test("of the same letters in another order is the same request", async () => {
    const key = fresh("key");
    const first = await replay({ messageIds: ["1-0", "2-0"] }, { key });
    const again = await replay({ messageIds: ["2-0", "1-0", "2-0"] }, { key });
    expect([again.status, again.text]).toEqual([202, first.text]);
  });

  test("20 times at once asks once for each", async () => {
    const messageIds = [await poison(), await poison(), await poison()];
    await office.record();
    const before = await attempts();
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => replay(i % 2 ? {} : { messageIds })),
    );
    for (const { status, body } of answers) {
      expect([status, body]).toEqual([202, { requested: 3, messageIds, unknown: [] }]);
    }
    await untilTried();
    expect(await attempts()).toEqual(before.map((count) => count + 1));
  });

  test("names up to 1,000 letters", async () => {
    const ids = (count: number) =>
      Array.from({ length: count }, (_, i) => `18446744073709551615-${10_000 + i}`);
    const { status, body } = await replay({ messageIds: ids(1_000) });
    expect([status, body.requested]).toEqual([202, 0]);
    expect(body.unknown).toHaveLength(1_000);
    const too_many = { messageIds: ids(1_001) };
    await office.expectRefused(() => replay(too_many), invalid("#/messageIds"));
  });

  test.each([
    ["an empty list", "[]", "#/messageIds"],
    ["no list", '"1-0"', "#/messageIds"],
    ["null", "null", "#/messageIds"],
    ["a number in it", "[1]", "#/messageIds/0"],
    ["an empty id", '["1-0",""]', "#/messageIds/1"],
    ["an id of 42 characters", `["${"1".repeat(42)}"]`, "#/messageIds/0"],
    ["a NUL", '["1\\u0000"]', "#/messageIds/0"],
  ])("is refused with %s", (_, text, pointer) =>
    office.expectRefused(() => replay(`{"messageIds":${text}}`), invalid(pointer)),
  );

  test("is refused with another member, with no object and without a key", async () => {
    await office.expectRefused(() => replay({ all: true }), invalid("#/all"));
    await office.expectRefused(() => replay("null"), invalid("#"));
    await office.expectRefused(() => replay("[]"), invalid("#"));
    const missing = { status: 400, code: "IDEMPOTENCY_KEY_MISSING" };
    await office.expectRefused(() => replay({}, { key: null }), missing);
  });
});
