import { randomUUID } from "node:crypto";
import { Redis } from "ioredis";
import { admit } from "../../scripts/admit.ts";
import { until } from "../../scripts/until.ts";
import { createKeys } from "../../src/redis/keys.ts";
import { READ_SCRIPTS, readScripts, type ScriptName } from "../../src/redis/scripts.ts";
import { freshRedis } from "../setup/stack.ts";

export const keys = createKeys("main");
export const SHARED_KEYS = keys.shared;
export const DAY_MS = 24 * 60 * 60 * 1000;
export const FOREVER = 999_999_999_999_999;

/** What emptyRedis admits an empty Redis with. */
export const GENERATION = 1;
const scripts = readScripts(GENERATION);

/** A line as a script gets it; text where a test wants to send what is no number. */
export type LineSpec = { sku: string; store_id?: string; quantity: number | string };
export type Request = { keys: string[]; args: string[] };
type Common = {
  hold_id: string;
  lines: LineSpec[];
  deadline?: number | string;
  event_id?: string;
  request_id?: string;
};
export type CreateSpec = Partial<Common> & {
  idem?: string;
  user_id?: string;
  ttl_ms?: number | string;
  usual_ttl_ms?: number | string;
  jitter_ms?: number | string;
  options?: string;
  /** With REPLACE: the hold that is to be replaced, if any. */
  replaced?: (HoldSpec & { event_id?: string }) | undefined;
  fingerprint?: string;
};
export type EndingSpec = Common & { idem?: string; fingerprint?: string };
export type HoldSpec = { hold_id: string; lines: LineSpec[] };

export const newHold = () => `H-${randomUUID()}`;

/** What a request has for each of its lines. */
export function lineParts(lines: LineSpec[]): Request {
  const named = lines.map((line) => ({ store_id: "main", ...line }));
  return {
    keys: named.flatMap((line) => [
      keys.stock(line.sku, line.store_id),
      keys.item(line.sku, line.store_id),
    ]),
    args: [
      String(lines.length),
      ...named.flatMap((line) => [line.sku, line.store_id, String(line.quantity)]),
    ],
  };
}

export function createRequest(spec: CreateSpec = {}): Request {
  const { hold_id = newHold(), deadline = FOREVER, ttl_ms = 60_000, user_id = "user-1" } = spec;
  const { idem = `key-${hold_id}`, event_id = randomUUID(), request_id = "request-1" } = spec;
  const { fingerprint = "fingerprint-1", lines = [{ sku: "phone", quantity: 1 }] } = spec;
  const parts = lineParts(lines);
  const other = replacedParts(spec.options ?? "", spec.replaced);
  const { usual_ttl_ms = 300_000, jitter_ms = 0 } = spec;
  const { options = "" } = spec;
  const terms = [ttl_ms, usual_ttl_ms, jitter_ms, options].join("/");
  const args = [deadline, event_id, request_id, hold_id, user_id, terms, fingerprint];
  return {
    keys: [keys.hold(hold_id), keys.idem("reserve", idem), ...parts.keys, ...other.keys],
    args: [...args.map(String), ...parts.args, ...other.args],
  };
}

function replacedParts(options: string, replaced: CreateSpec["replaced"]): Request {
  if (!options.includes("REPLACE")) return { keys: [], args: [] };
  if (!replaced) return { keys: [], args: [randomUUID(), ""] };
  const parts = lineParts(replaced.lines);
  const { event_id = randomUUID(), hold_id } = replaced;
  return { keys: [keys.hold(hold_id), ...parts.keys], args: [event_id, hold_id, ...parts.args] };
}

export type PartSpec = { sku: string; quantity: number | string };
/** What is to be sold of a hold; nothing named means all of it. */
export const partArgs = (parts: PartSpec[]) => [
  String(parts.length),
  ...parts.flatMap(({ sku, quantity }) => [sku, String(quantity)]),
];

/** What confirm, cancel and expire have in common; `more` are the arguments only one of them has. */
export function endingRequest(
  spec: EndingSpec,
  route: "confirm" | "cancel" | "expire",
  more: string[],
): Request {
  const { hold_id, lines, deadline = FOREVER, event_id = randomUUID() } = spec;
  const {
    request_id = "request-2",
    idem,
    fingerprint = idem === undefined ? "" : "ending-1",
  } = spec;
  const parts = lineParts(lines);
  const idemKeys =
    idem === undefined || route === "expire" || fingerprint === "" ? [] : [keys.idem(route, idem)];
  return {
    keys: [keys.hold(hold_id), ...idemKeys, ...parts.keys],
    args: [String(deadline), event_id, request_id, hold_id, fingerprint, ...parts.args, ...more],
  };
}

export const confirmRequest = (
  spec: EndingSpec & { order_id?: string | undefined; payment_ref?: string; parts?: PartSpec[] },
) =>
  endingRequest(spec, "confirm", [
    ...[spec.order_id ?? "O-1", spec.payment_ref ?? "payment-1"],
    ...partArgs(spec.parts ?? []),
  ]);
export const cancelRequest = (spec: EndingSpec & { reason?: string }) =>
  endingRequest(spec, "cancel", [spec.reason ?? ""]);
export const expireRequest = (spec: EndingSpec) => endingRequest(spec, "expire", []);

/** The scripts on a Redis of one's own, called directly, without the batcher. */
export async function openScripts(redis_args: string[] = []) {
  const server = await freshRedis(redis_args);
  const redis = new Redis(server.url, { protocol: 2 }); // as client.ts asks for it
  await admit(redis, GENERATION);
  // DUMP gives the fields of a hash that is a table in whatever order they lie: keep all of them lists.
  await redis.config("SET", "hash-max-listpack-value", "1000000");

  async function call(script: ScriptName, ...requests: Request[]) {
    const shared = READ_SCRIPTS.has(script) ? [] : SHARED_KEYS;
    const names = [...shared, ...requests.flatMap((request) => request.keys)];
    const args = [String(requests.length), ...requests.flatMap((request) => request.args)];
    const sha = scripts.get(script)?.sha ?? "";
    const reply = await redis.call("EVALSHA", [sha, names.length, ...names, ...args]);
    // What every batch script replies; the tests look at each part.
    const [now, tuples] = reply as [number, unknown[][]];
    return { now, tuples };
  }

  /** Creates a hold that must succeed. */
  async function hold(spec: CreateSpec = {}): Promise<HoldSpec & { expires_at: number }> {
    const { hold_id = newHold(), lines = [{ sku: "phone", quantity: 1 }] } = spec;
    const { tuples } = await call("create_holds", createRequest({ ...spec, hold_id, lines }));
    const [word, , expires_at] = tuples[0] ?? [];
    if (word !== "CREATED") throw new Error(`The hold was refused: ${tuples[0]}`);
    return { hold_id, lines, expires_at: Number(expires_at) };
  }

  async function now() {
    const [seconds, micros] = await redis.time();
    return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
  }

  /** A hold whose deadline has passed. */
  async function dueHold(spec: CreateSpec = {}) {
    const due = await hold({ ...spec, ttl_ms: 1 });
    await untilDue(due.hold_id);
    return due;
  }

  async function untilDue(hold_id: string): Promise<void> {
    const deadline = Number(await redis.hget(keys.hold(hold_id), "expires_at"));
    await until("the hold is due", async () => ((await now()) >= deadline ? true : undefined));
  }

  /** {available, held, version} as Redis keeps them. */
  async function stockOf(sku: string, store_id = "main") {
    const [available, item] = await Promise.all([
      redis.get(keys.stock(sku, store_id)),
      redis.hmget(keys.item(sku, store_id), "held", "version"),
    ]);
    return [available, ...item];
  }

  /** The stream, or its newest entries, each entry's fields as an object. */
  async function entries(newest?: number): Promise<Record<string, string>[]> {
    const found =
      newest === undefined
        ? await redis.xrange(keys.stream, "-", "+")
        : (await redis.xrevrange(keys.stream, "+", "-", "COUNT", newest)).reverse();
    return found.map(([, flat]) =>
      Object.fromEntries(flat.flatMap((name, i) => (i % 2 ? [] : [[name, flat[i + 1] ?? ""]]))),
    );
  }

  /** What each event says that its idempotency key remembers; undefined when it had none. */
  const records = async (): Promise<unknown[]> =>
    (await entries()).map(({ payload = "" }) => JSON.parse(payload).record);

  async function close() {
    redis.disconnect();
    await server.close();
  }
  return { server, redis, call, hold, dueHold, untilDue, now, stockOf, entries, records, close };
}

export type ScriptSide = Awaited<ReturnType<typeof openScripts>>;

/** Every key with the SHA-1 of its bytes and the moment it expires, to show that nothing was written. */
export async function dumpAll(redis: Redis): Promise<Record<string, string>> {
  const rows = (await redis.callBuffer("EVAL", [DUMP_ALL, 0])) as [Buffer, Buffer, number][]; // as it returns
  const dump = rows.map(([key, sha, expires_at]): [string, string] => [
    key.toString("latin1"),
    `${sha.toString("latin1")} until ${expires_at}`,
  ]);
  return Object.fromEntries(dump.sort(([a], [b]) => (a < b ? -1 : 1)));
}

// In one round trip: key by key, it was most of what the fuzz tests did, and then to read all the bytes was.
const DUMP_ALL = `#!lua flags=no-writes
local rows = {}
for i, key in ipairs(redis.call("KEYS", "*")) do
  rows[i] = { key, redis.sha1hex(redis.call("DUMP", key)), redis.call("PEXPIRETIME", key) }
end
return rows`;

/** What stock, items and shared keys may hold by mistake, and how to put it there. */
export const CORRUPT_STOCKS: [string, (redis: Redis, key: string) => Promise<unknown>][] = [
  ["letters", (redis, key) => redis.set(key, "abc")],
  ["nothing", (redis, key) => redis.set(key, "")],
  ["leading zeros", (redis, key) => redis.set(key, "007")],
  ["a negative number", (redis, key) => redis.set(key, "-1")],
  ["a fraction", (redis, key) => redis.set(key, "1.5")],
  ["an exponent", (redis, key) => redis.set(key, "1e3")],
  ["a line end", (redis, key) => redis.set(key, "5\n")],
  ["16 digits", (redis, key) => redis.set(key, "1000000000000000")],
  ["20 digits", (redis, key) => redis.set(key, "1".repeat(20))],
  ["a list", async (redis, key) => redis.multi().del(key).rpush(key, "5").exec()],
];

/** Registers so many stores, none of which any test names. */
export async function registerStores(redis: Redis, count: number): Promise<void> {
  const names = Array.from({ length: count }, (_, i) => [`registered-${i}`, "0"]);
  await redis.hset(keys.stores, ...names.flat());
}
