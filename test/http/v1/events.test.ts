import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { newEventId } from "../../../src/domain/ids.ts";
import { query } from "../../worker/query.ts";
import { expectProblem } from "../expect-problem.ts";
import { fresh } from "../shop.ts";
import { type BackOffice, type Items, invalid, openBackOffice } from "./back-office.ts";

let office: BackOffice;
beforeAll(async () => {
  office = await openBackOffice({ request_budget_ms: 20_000 });
});
afterAll(() => office.close());

async function eventsOf(parameters: string): Promise<Items> {
  const { status, text } = await office.get(`/v1/events?${parameters}`);
  if (status !== 200) throw new Error(text);
  return JSON.parse(text);
}
const idsOf = (events: Items) => events.map(({ eventId }) => eventId);

async function reserved(lines: { sku: string; qty: number }[]): Promise<string> {
  const { status, body, text } = await office.post("/v1/reservations", { lines });
  if (status !== 202) throw new Error(text);
  return String(body.reservationId);
}

/** The payloads in the stream that name a sku, oldest first, without the idempotency keys in them. */
async function payloadsOf(sku: string): Promise<unknown[]> {
  const entries = await office.shop.api.redis.xrange("inventory.events", "-", "+");
  const texts = entries.map(([, fields]) => String(fields[fields.indexOf("payload") + 1]));
  const payloads = texts
    .filter((text) => text.includes(`"sku":"${sku}"`))
    .map((text) => JSON.parse(text));
  for (const payload of payloads) expect(payload.record[0]).toContain("idem:");
  return payloads.map(({ record, ...payload }) => payload);
}

test("before anything has happened there are none", async () => {
  expect(await eventsOf("")).toEqual([]);
});

describe("an event is shown", () => {
  test("with its hold as the aggregate, and its payload as it was decided", async () => {
    const sku = await office.shop.stock(10);
    const id = await reserved([{ sku, qty: 2 }]);
    await office.post(`/v1/reservations/${id}:confirm`, { paymentRef: "pay" });
    await office.record();
    const events = await eventsOf(`sku=${sku}`);
    const occurredAt = expect.stringMatching(/^\d{4}-.*Z$/);
    const eventId = expect.stringMatching(/^[0-9a-f-]{36}$/);
    const [created, confirmed] = await payloadsOf(sku);
    const aggregate = { type: "reservation", id };
    expect(events).toEqual([
      {
        ...{ eventId, eventType: "HOLD_CREATED", occurredAt },
        ...{ aggregate: { ...aggregate, version: 1 }, payload: created },
      },
      {
        ...{ eventId, eventType: "HOLD_CONFIRMED", occurredAt },
        ...{ aggregate: { ...aggregate, version: 2 }, payload: confirmed },
      },
    ]);
    expect(events[0]?.payload).toMatchObject({ hold_id: id, lines: [{ sku, quantity: 2 }] });
  });

  test("with the stock as the aggregate, the first one of a transfer", async () => {
    const [sku, second] = [fresh("sku"), fresh("sku")];
    await office.adjust(sku, "north", 10);
    await office.adjust(second, "north", 10);
    const lines = [sku, second].map((named) => ({ sku: named, qty: 3 }));
    await office.post("/v1/transfers", { fromStore: "north", toStore: "south", lines });
    await office.record();
    const events = await eventsOf(`sku=${sku}`);
    expect(events).toMatchObject([
      {
        eventType: "STOCK_ADJUSTED",
        aggregate: { type: "stock", id: `${sku}@north`, version: 1 },
        payload: { actor: "api", reason: "receipt" },
      },
      {
        eventType: "STOCK_TRANSFERRED",
        aggregate: { type: "stock", id: `${sku}@north`, version: 2 },
        payload: { from_store: "north", to_store: "south" },
      },
    ]);
    expect(events.map(({ payload }) => payload)).toEqual(await payloadsOf(sku));
  });
});

describe("events are found", () => {
  let skus: string[];
  let store: string;
  beforeAll(async () => {
    skus = [fresh("sku"), fresh("sku")];
    store = fresh("store");
    for (let i = 1; i <= 4; i += 1) {
      for (const sku of skus) {
        await office.adjust(sku, "main", i);
        await office.adjust(sku, store, i);
      }
    }
    await reserved(skus.map((sku) => ({ sku, qty: 1 })));
    await office.record();
  });

  test("by sku, by store, by both, each once and in order", async () => {
    const [sku = ""] = skus;
    const of_sku = await eventsOf(`sku=${sku}`);
    expect(of_sku).toHaveLength(9);
    const of_store = await eventsOf(`storeId=${store}`);
    expect(of_store).toHaveLength(8);
    const of_both = await eventsOf(`sku=${sku}&storeId=${store}`);
    expect(of_both).toHaveLength(4);
    const both = new Set(idsOf(of_both));
    expect(idsOf(of_sku).filter((id) => idsOf(of_store).includes(id))).toEqual([...both]);
    // One event for both skus, in either list.
    const of_other = await eventsOf(`sku=${skus[1]}`);
    expect(idsOf(of_sku).filter((id) => idsOf(of_other).includes(id))).toHaveLength(1);
    expect(await eventsOf("sku=never")).toEqual([]);
  });

  test("in steps of any size, each beginning behind the last one", async () => {
    const filters = [
      "",
      `sku=${skus[0]}&`,
      `storeId=${store}&`,
      `sku=${skus[0]}&storeId=${store}&`,
    ];
    for (const filter of filters) {
      const all = await eventsOf(`${filter}limit=1000`);
      for (const limit of [1, 3, all.length, all.length + 1]) {
        const read: Items = [];
        for (let since = "", got = limit; got === limit; ) {
          const events = await eventsOf(`${filter}limit=${limit}${since}`);
          read.push(...events);
          got = events.length;
          since = `&since=${read.at(-1)?.eventId}`;
        }
        expect(read).toEqual(all);
      }
    }
  });

  test("from a time on: that of their being recorded", async () => {
    const all = await eventsOf("limit=1000");
    const times = await query<{ event_id: string; at: Date }>(
      office.shop.database.url,
      "select event_id, recorded_at as at from processed_events order by recorded_id",
    );
    const half = times[Math.floor(times.length / 2)]?.at ?? new Date(0);
    const expected = times.filter(({ at }) => at >= half).map(({ event_id }) => event_id);
    expect(idsOf(await eventsOf(`since=${half.toISOString()}&limit=1000`))).toEqual(expected);
    const in_paris = new Date(half.getTime() + 7_200_000).toISOString().replace("Z", "%2B02:00");
    expect(idsOf(await eventsOf(`since=${in_paris}&limit=1000`))).toEqual(expected);
    expect(await eventsOf("since=2000-01-01T00:00:00Z&limit=1000")).toEqual(all);
    expect(await eventsOf("since=2999-01-01T00:00:00Z")).toEqual([]);
  });

  test("not behind one that was never there, or was forgotten", async () => {
    const event_id = newEventId();
    const members = { eventId: event_id };
    const missing = await office.get(`/v1/events?since=${event_id}`);
    expectProblem(missing, { status: 404, code: "NOT_FOUND", members });
  });
});

test("whoever polls while events are recorded sees each once, in one order", async () => {
  const sku = fresh("sku");
  await office.adjust(sku, "main", 1);
  await office.record();
  const seen = await eventsOf(`sku=${sku}`);
  const count = 121;
  let recorded = false;
  const selling = (async () => {
    for (let i = 0; i < 6; i += 1) {
      await Promise.all(Array.from({ length: 20 }, () => office.adjust(sku, "main", 1)));
      await office.record();
    }
    recorded = true;
  })();
  for (let last = false; !last; ) {
    last = recorded; // one look more, after everything was recorded
    for (let events: Items = []; ; ) {
      events = await eventsOf(`sku=${sku}&limit=7&since=${seen.at(-1)?.eventId}`);
      seen.push(...events);
      if (events.length < 7) break;
    }
  }
  await selling;
  expect(seen).toHaveLength(count);
  const versions = seen.map(({ aggregate }) => (aggregate as { version: number }).version);
  expect(versions).toEqual(Array.from({ length: count }, (_, i) => i + 1));
});

test("the answer is a 304 until there is something new, and says how far it is behind", async () => {
  const sku = fresh("sku");
  await office.adjust(sku, "main", 1);
  await office.record();
  const [event] = await eventsOf(`sku=${sku}`);
  const path = `/v1/events?sku=${sku}&since=${event?.eventId}`;
  const first = await office.get(path);
  expect([first.text, first.headers.get("x-projection-lag-ms")]).toEqual(["[]", "0"]);
  const ask = () => office.get(path, { "if-none-match": String(first.headers.get("etag")) });
  expect((await ask()).status).toBe(304);
  await office.adjust(sku, "main", 1);
  expect(Number((await ask()).headers.get("x-projection-lag-ms"))).toBeGreaterThan(0);
  await office.record();
  expect((await ask()).status).toBe(200);
});

describe("a parameter is refused:", () => {
  test.each([
    ["limit", "0"],
    ["limit", "1001"],
    ["limit", "-1"],
    ["limit", ""],
    ["sku", "a%20b"],
    ["sku", ""],
    ["storeId", "a%40b"],
    ["since", ""],
    ["since", "yesterday"],
    ["since", "2026-11-21"],
    ["since", "2026-11-21T02:17:51"],
    ["since", "2026-13-21T02:17:51Z"],
    ["since", "1795227471048"],
    ["since", "1795227471048-0"],
    ["since", "01a1fbe0-b8e6-7462-8776"],
    ["since", "H-01a1fbe0-b8e6-7462-8776-0bd4fb74d142"],
    ["cursor", "x"],
    ["type", "HOLD_CREATED"],
  ])("%s=%s", (name, value) =>
    office.expectRefused(() => office.get(`/v1/events?${name}=${value}`), invalid(`?${name}`)),
  );

  test("since, given twice", async () => {
    const time = "2026-11-21T02:17:51Z";
    const path = `/v1/events?since=${time}&since=${time}`;
    await office.expectRefused(() => office.get(path), invalid("?since"));
  });

  test("not at its bounds", async () => {
    for (const limit of [1, 1_000]) {
      expect((await office.get(`/v1/events?limit=${limit}`)).status).toBe(200);
    }
  });
});
