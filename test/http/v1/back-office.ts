import { expect } from "@jest/globals";
import { isDrained } from "../../../scripts/bench/recorded.ts";
import { until } from "../../../scripts/until.ts";
import { openRecorder } from "../../worker/parts.ts";
import { query } from "../../worker/query.ts";
import { dump } from "../dump.ts";
import { expectProblem, memberErrors } from "../expect-problem.ts";
import { type Answer, ask, fresh, openShop, type Shop } from "../shop.ts";

/** What is written to Postgres alone. */
const WRITTEN = [
  "products",
  "stores",
  "initial_stocks",
  "order_returns",
  "order_return_lines",
  "idempotency_records",
  "projection_rebuilds",
  "dead_events",
  "audit_log",
];

const rowsOf = (table: string) => `(select json_agg(t order by t::text) from ${table} as t)`;

export type BackOffice = Awaited<ReturnType<typeof openBackOffice>>;
export type Items = Record<string, unknown>[];

/** The calls of /v1 to an API. Each write has a key of its own unless one is given; null sends none. */
export function callsTo(url: string) {
  const get = (path: string, headers: Record<string, string> = {}) =>
    ask(`${url}${path}`, { headers });

  function write(
    method: "POST" | "PUT" | "PATCH" | "DELETE",
    path: string,
    body?: unknown,
    {
      key = fresh("key"),
      ...headers
    }: { key?: string | null } & Record<string, string | null> = {},
  ) {
    const all = new Headers(body === undefined ? {} : { "content-type": "application/json" });
    if (key !== null) all.set("idempotency-key", key);
    for (const [name, value] of Object.entries(headers)) if (value) all.set(name, value);
    const text = typeof body === "string" ? body : JSON.stringify(body);
    return ask(`${url}${path}`, {
      method,
      headers: all,
      ...(body === undefined ? {} : { body: text }),
    });
  }

  type Sent = Parameters<typeof write>[3];
  return {
    get,
    post: (path: string, body?: unknown, sent?: Sent) => write("POST", path, body, sent),
    put: (path: string, body?: unknown, sent?: Sent) => write("PUT", path, body, sent),
    patch: (path: string, body?: unknown, sent?: Sent) => write("PATCH", path, body, sent),
    remove: (path: string, sent?: Sent) => write("DELETE", path, undefined, sent),
    write,
  };
}

/** A shop with the calls of /v1 to it, and the recorder that writes its ledger when it is told to. */
export async function openBackOffice(options: Parameters<typeof openShop>[0] = {}) {
  const shop: Shop = await openShop(options);
  const [redisUrl, databaseUrl] = [shop.redis.url, shop.database.url];
  const recorder = await openRecorder({ redisUrl, databaseUrl });
  const calls = callsTo(shop.api.url);

  /** Records everything that has happened. Its connections may come back later than the API's. */
  async function record(): Promise<void> {
    if (!(await isDrained(shop.api.redis))) await recorder.drainThroughFaults();
  }

  /** Every page of a list from the first to the last, `limit` items each. */
  async function pages(path: string, limit: number): Promise<Items[]> {
    const all: Items[] = [];
    let cursor = "";
    do {
      const { status, text, body } = await calls.get(
        `${path}${path.includes("?") ? "&" : "?"}limit=${limit}${cursor}`,
      );
      if (status !== 200) throw new Error(text);
      all.push(body.items as Items); // what a list answers
      cursor = body.nextCursor === null ? "" : `&cursor=${body.nextCursor}`;
    } while (cursor !== "");
    return all;
  }

  /** Changes the stock of a sku in a store, which makes both known. */
  async function adjust(sku: string, storeId: string, delta: number): Promise<void> {
    const { status, text } = await calls.post("/v1/adjustments", {
      ...{ sku, storeId, delta },
      reason: "receipt",
    });
    if (status !== 202) throw new Error(text);
  }

  /** Everything that a write of /v1 may change, on both sides. */
  const state = async () => [
    await dump(shop.api.redis),
    await query(databaseUrl, `select ${WRITTEN.map(rowsOf).join(", ")}`),
  ];

  /** Expects just this refusal, and that nothing has changed. */
  async function expectRefused(
    ask: () => Promise<Answer>,
    refusal: Parameters<typeof expectProblem>[1],
  ): Promise<void> {
    const before = await state();
    expectProblem(await ask(), refusal);
    expect(await state()).toEqual(before);
  }

  async function close() {
    await recorder.close();
    await shop.close();
  }

  return { ...calls, shop, recorder, record, pages, adjust, expectRefused, close };
}

/** What refuses the given members of a body, parameters (`?limit`) or parts of the path (`{sku}`). */
export const invalid = (...pointers: string[]) => ({
  status: 400,
  code: "INVALID_REQUEST",
  members: memberErrors(...pointers),
});

/** An object whose members are the given JSON texts, so that they may be what JSON.stringify never writes. */
export const objectOf = (members: Record<string, string | undefined>) =>
  `{${Object.entries(members)
    .flatMap(([name, text]) => (text === undefined ? [] : [`${JSON.stringify(name)}:${text}`]))
    .join(",")}}`;

/** Asks until it is accepted: a short budget may be over before a busy machine has come to it. */
export const untilAccepted = (ask: () => Promise<Answer>) =>
  until("it is accepted", async () => {
    const answer = await ask();
    return answer.status === 202 ? answer : undefined;
  });
