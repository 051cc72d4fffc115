import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { admit } from "../../scripts/admit.ts";
import { monotonicNow } from "../../src/now.ts";
import { untilReady } from "../../src/redis/client.ts";
import { dueHoldIds } from "../../src/redis/deadlines.ts";
import { RedisFault } from "../../src/redis/outcome.ts";
import { startProxy } from "../redis/tcp-proxy.ts";
import { openDecidingSide } from "../setup/deciding-side.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import { ask } from "./ask.ts";
import type { Input, SkuOperation } from "./operations.ts";
import { type Recorded, STOCK_UP, sortOut } from "./sort-out.ts";
import { disturbancesOf, inputOf, LIMIT, SKUS, STORES, wishesOf } from "./wishes.ts";

const PROCESSES = 6;
const CLIENTS = 24;
const WISHES = 25;
const TRIES_MAX = 4;
const UNLUCKY_MS = 30;
const PATIENT_MS = 3_000;
const DISTURBANCES_MAX = 2_000;
const SWEEP_EVERY_MS = 20;
const SWEPT_MAX = 10;
const LONG_MS = 10_000;
const FIRST_GENERATION = 1;
/** A request whose time is over takes no effect later than this: promise G5. */
const TOO_LATE_MS = 2_000;

type Side = Awaited<ReturnType<typeof openDecidingSide>>;
/** What a process of its own would have: its connection, and the network before it. */
type Process = Awaited<ReturnType<typeof openProcess>>;

/**
 * Lets many clients loose on a few skus, in a Redis that is emptied before. They ask processes whose
 * connections lose replies, break and come back. Returns what was seen of each sku.
 */
export async function recordHistories(
  server: { url: string; port: number },
  seed: number,
): Promise<Map<string, SkuOperation[]>> {
  const direct = await openDirect(server.url);
  await emptyRedis(direct.redis);
  const processes = await Promise.all(Array.from({ length: PROCESSES }, () => openProcess(server)));
  const skus = SKUS.map((sku) => `${sku}-${seed}`);
  const recorded: Recorded[] = [];
  let over = false;
  try {
    await stockUp(direct, skus);
    const clients = Array.from({ length: CLIENTS }, (_, client) => {
      return runClient(processes, recorded, seed, client);
    });
    const allClients = Promise.all(clients).finally(() => {
      over = true;
    });
    const isOver = () => over;
    const sweeper = sweep(direct, processes, recorded, isOver);
    await Promise.all([allClients, disturb(direct, processes, seed, isOver), sweeper]);
    await lookAtAll(direct, skus, recorded);
    return await sortOut(direct, skus, recorded);
  } finally {
    await Promise.all([direct, ...processes].map(({ close }) => close()));
  }
}

/** What the test does itself takes what time it takes: only what a process asks is late after a second. */
async function openDirect(url: string): Promise<Side> {
  const side = await openDecidingSide(url);
  const redis = new Redis(url, { protocol: 2 });
  async function close() {
    redis.disconnect();
    await side.close();
  }
  return { ...side, redis, close };
}

async function openProcess({ port }: { port: number }) {
  const proxy = await startProxy(port);
  const side = await openDecidingSide(proxy.url, { admits: false });
  async function close() {
    // A connection that is closed while it is being made would keep the test's process for two seconds.
    await untilReady(side.redis);
    await side.close();
    await proxy.close();
  }
  function hangUp() {
    proxy.cut();
    proxy.pass();
  }
  return { side, proxy, hangUp, close };
}

function processOf(processes: Process[], n: number): Process {
  const found = processes[n % processes.length];
  if (!found) throw new Error("There are processes.");
  return found;
}

async function stockUp({ redis, keys, stores, rules, scripts }: Side, skus: string[]) {
  // It may know still how Redis was admitted before it was emptied.
  while (scripts.generation() !== FIRST_GENERATION) await scripts.learn();
  const context = { request_id: STOCK_UP, deadline: monotonicNow() + LONG_MS };
  for (const sku of skus) {
    const change = { sku, rules: { max_per_customer: LIMIT } };
    await rules.changeRules(change, `limit of ${sku}`, context);
  }
  for (const { store_id, rank, available } of STORES) {
    if (store_id !== "main") await stores.register(store_id, rank);
    for (const sku of skus) await redis.set(keys.stock(sku, store_id), available);
  }
}

/** Comes by one wish after the other. Without an answer it asks another process again, with the same key. */
async function runClient(processes: Process[], recorded: Recorded[], seed: number, client: number) {
  for (const [i, wish] of wishesOf(CLIENTS * seed + client, WISHES).entries()) {
    await sleep(wish.think_ms);
    const sku = `${wish.sku}-${seed}`;
    const input = inputOf(wish, `${sku}/${client}-${i}`, holdsOf(recorded, sku));
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      const first = client + i + tries;
      // The second of two may come to the same process, and into the same script call.
      const asked = wish.impatient ? [first, first + (i % 2)] : [first];
      const operations = await once(
        asked.map((n) => processOf(processes, n)),
        sku,
        input,
        { unlucky: wish.unlucky && tries === 0, wait_ms: waitOf(wish, tries) },
      );
      recorded.push(...operations.map((one) => ({ sku, ...one })));
      if (operations.some(({ operation }) => operation.output)) break;
      await sleep(wish.think_ms);
    }
  }
}

/** Most tries are too short for a second call when the first one's reply is lost. The last one is not. */
const waitOf = ({ wait_ms }: { wait_ms: number }, tries: number) =>
  tries === TRIES_MAX - 1 ? PATIENT_MS : wait_ms;

/** Asks one process, or two at once. When it is unlucky, the replies of the first one are lost meanwhile. */
async function once(
  asked: Process[],
  sku: string,
  input: Input,
  { unlucky, wait_ms }: { unlucky: boolean; wait_ms: number },
): Promise<Attempt[]> {
  const [first] = asked;
  if (unlucky) first?.proxy.dropReplies();
  const ms = unlucky ? UNLUCKY_MS : wait_ms;
  const attempts = await Promise.all(asked.map(({ side }) => attempt(side, sku, input, ms)));
  if (unlucky) first?.hangUp();
  return attempts.filter((one) => one !== undefined);
}

/** The holds that were reserved so far, and whose answers came. */
function holdsOf(recorded: Recorded[], sku: string): string[] {
  const made = recorded.filter((one) => one.sku === sku && one.operation.input.does === "reserve");
  return [...new Set(made.flatMap(({ operation }) => operation.output?.id ?? []))];
}

type Attempt = Pick<Recorded, "request_id" | "operation">;

/** What was done, or may have been. Nothing when surely nothing was. */
async function attempt(
  side: Side,
  sku: string,
  input: Input,
  wait_ms: number,
): Promise<Attempt | undefined> {
  const called = monotonicNow();
  const deadline = called + wait_ms;
  const request_id = randomUUID();
  try {
    const output = await ask(side, sku, input, { request_id, deadline });
    return { request_id, operation: { input, called, returned: monotonicNow(), output } };
  } catch (error) {
    if (!(error instanceof RedisFault)) throw error;
    if (error.outcome === "NOT_EXECUTED") return undefined;
    const returned = deadline + TOO_LATE_MS;
    return { request_id, operation: { input, called, returned, output: undefined } };
  }
}

/** Does to the connections what networks do, and to Redis what its loss and its admission do. */
async function disturb(
  { redis, keys }: Side,
  processes: Process[],
  seed: number,
  isOver: () => boolean,
) {
  let generation = FIRST_GENERATION;
  for (const { process, how, calm_ms, ms } of disturbancesOf(seed, DISTURBANCES_MAX)) {
    await sleep(calm_ms);
    if (isOver()) return;
    if (how === "shut") {
      await redis.del(keys.generation);
      await sleep(ms);
      generation += 1;
      await admit(redis, generation);
      continue;
    }
    const { proxy, hangUp } = processOf(processes, process);
    if (how === "refuse") {
      proxy.refuse();
      await sleep(ms);
    }
    hangUp();
  }
}

/** Expires what is due, as the sweeper does. */
async function sweep(
  { redis, keys, stream }: Side,
  processes: Process[],
  recorded: Recorded[],
  isOver: () => boolean,
) {
  for (let round = 0; !isOver(); round += 1) {
    await sleep(SWEEP_EVERY_MS);
    const due = await stream
      .now()
      .then((now) => dueHoldIds(redis, keys, now, SWEPT_MAX))
      .catch(() => []); // as a sweeper does, it tries again
    const sweeps = due.map(async ({ hold_id: hold }, i) => {
      const { side } = processOf(processes, round + i);
      const one = await attempt(side, "", { does: "expire", hold }, LONG_MS);
      if (one) recorded.push({ sku: undefined, ...one });
    });
    await Promise.all(sweeps);
  }
}

/** In the end, what is there. */
async function lookAtAll(direct: Side, skus: string[], recorded: Recorded[]) {
  for (const sku of skus) {
    const holds = holdsOf(recorded, sku).map((hold): Input => ({ does: "read hold", hold }));
    const inputs: Input[] = [{ does: "read stocks" }, ...holds];
    const looks = inputs.map((input) => attempt(direct, sku, input, LONG_MS));
    for (const one of await Promise.all(looks)) {
      if (one) recorded.push({ sku, ...one });
    }
  }
}
