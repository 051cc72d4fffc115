import { until } from "../../scripts/until.ts";
import type { AuthSettings } from "../../src/auth-settings.ts";
import type { Rates } from "../../src/http/limits/limits.ts";
import { admitAt } from "../setup/admit-at.ts";
import { startApi } from "../setup/api.ts";
import { freshDatabase, freshRedis } from "../setup/stack.ts";
import { holdToDocument, readContract } from "./contract.ts";

export type Shop = Awaited<ReturnType<typeof openShop>>;
export type Answer = Awaited<ReturnType<typeof ask>>;

let made = 0;
/** A word nobody else in this file uses: a sku, a key, a user. */
export const fresh = (word: string) => `${word}-${++made}`;

/** Asks the API, and reads the whole answer, with its bytes as `text`. Its document must have this answer. */
export async function ask(url: string, init: RequestInit = {}) {
  const answer = await askAny(url, init);
  holdToDocument({ method: init.method ?? "GET", url }, answer);
  return answer;
}

/** The same of a process that may be another. */
export async function askAny(url: string, init: RequestInit = {}) {
  const response = await fetch(url, init);
  const text = await response.text();
  const body = text === "" ? {} : (JSON.parse(text) as Record<string, unknown>); // an object, always
  return { status: response.status, headers: response.headers, text, body };
}

/** Posts a value, or text as it is. */
export const postJson = (url: string, body: unknown, headers: Record<string, string> = {}) =>
  ask(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });

/** The API on a Redis and a database of its own, and the checkout's calls to it. */
export async function openShop(
  options: {
    request_budget_ms?: number;
    queue_max?: number;
    databaseUrl?: string;
    auth?: AuthSettings;
    rates?: Rates;
    trust_proxy?: number;
    cors_origins?: string[];
  } = {},
) {
  readContract();
  const [redis, database] = await Promise.all([freshRedis(), freshDatabase()]);
  const api = await startApi({ redisUrl: redis.url, databaseUrl: database.url, ...options });

  /** Stocks a sku of its own and returns its name. */
  async function stock(units: number | string): Promise<string> {
    const sku = fresh("sku");
    await api.redis.set(`stock:${sku}`, units);
    return sku;
  }

  /** What Redis has of a sku: to sell, and set aside. */
  async function unitsOf(sku: string) {
    const [available, held] = await Promise.all([
      api.redis.get(`stock:${sku}`),
      api.redis.hget(`item:${sku}`, "held"),
    ]);
    return { available: Number(available), held: Number(held ?? 0) };
  }

  const reserve = (body: Record<string, unknown> | string, headers?: Record<string, string>) =>
    postJson(`${api.url}/holds/reserve`, body, headers);

  /** A hold on a sku with exactly `qty` units, so that none are left. */
  async function hold({ qty = 1, ...more }: { qty?: number; ttl_seconds?: number } = {}) {
    const sku = await stock(qty);
    const wish = { sku, qty, user_id: fresh("user"), idempotency_key: fresh("key"), ...more };
    const { status, body } = await reserve(wish);
    if (status !== 201) throw new Error(`no hold: ${JSON.stringify(body)}`);
    return { ...wish, hold_id: String(body.hold_id), expires_at: String(body.expires_at) };
  }

  /** Waits until the API has noticed that its Redis came, or went. */
  const untilRedis = (state: "there" | "gone") =>
    until(
      `the API knows that Redis is ${state}`,
      () => (api.redis.status === "ready") === (state === "there") || undefined,
    );

  /** Starts Redis, and admits it as the worker does. */
  async function startRedis(): Promise<void> {
    await redis.start();
    await untilRedis("there");
    await admitAt(redis.url);
    await api.scripts.learn();
  }

  async function close() {
    await api.close();
    await Promise.all([redis.close(), database.close()]);
  }

  return {
    api,
    redis,
    database,
    stock,
    unitsOf,
    hold,
    reserve,
    confirm: (body: unknown, headers?: Record<string, string>) =>
      postJson(`${api.url}/holds/confirm`, body, headers),
    cancel: (body: unknown, headers?: Record<string, string>) =>
      postJson(`${api.url}/holds/cancel`, body, headers),
    read: (hold_id: string) => ask(`${api.url}/holds/${hold_id}`),
    /** Ends an overdue hold as the sweeper does. */
    sweep: (hold_id: string) =>
      api.inventory.expireHold(hold_id, { request_id: "sweep", deadline: Date.now() + 5_000 }),
    untilRedis,
    startRedis,
    close,
  };
}
