import { Agent, request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { newKeyPrefix, TTL_SECONDS } from "./load.ts";

const TICK_MS = 1;
/** One more is asked for when all are waiting: it waits for one of them, and that counts. */
const SOCKETS = 500;
const ANSWER_MS_MAX = 10_000;

/** How long answers took in ms, from the time when they were due to be asked for. */
export type Probed = { accepted: number[]; refused: number[]; failed: number };

/**
 * Asks as one client among the many that a load generator makes, by a schedule that waits for nobody, and
 * tells what was accepted from what was refused, which no load generator does.
 */
export async function probe({
  origin,
  path,
  sku,
  per_second,
  seconds,
}: {
  origin: string;
  path: string;
  sku: string;
  per_second: number;
  seconds: number;
}): Promise<Probed> {
  const agent = new Agent({ keepAlive: true, maxSockets: SOCKETS });
  const key_prefix = newKeyPrefix();
  const probed: Probed = { accepted: [], refused: [], failed: 0 };
  const count = Math.round(seconds * per_second);
  const all: Promise<void>[] = [];
  const started = performance.now();

  function ask(i: number, due: number): Promise<void> {
    const number = String(i).padStart(8, "0");
    const idempotency_key = `${key_prefix}-${number}`;
    const wish = {
      sku,
      qty: 1,
      user_id: `user-${number}`,
      ttl_seconds: TTL_SECONDS,
      idempotency_key,
    };
    return new Promise((resolve) => {
      const fail = () => {
        probed.failed += 1;
        resolve();
      };
      const asked = request(`${origin}${path}`, {
        agent,
        method: "POST",
        headers: { "Content-Type": "application/json" },
        timeout: ANSWER_MS_MAX,
      });
      asked.once("timeout", () => asked.destroy(new Error("no answer")));
      asked.once("error", fail);
      asked.once("response", (response) => {
        response.resume();
        response.once("end", () => {
          const ms = performance.now() - due;
          (response.statusCode === 201 ? probed.accepted : probed.refused).push(ms);
          resolve();
        });
      });
      asked.end(JSON.stringify(wish));
    });
  }

  while (all.length < count) {
    const due = Math.min(count, ((performance.now() - started) * per_second) / 1000);
    while (all.length < due) all.push(ask(all.length, started + (all.length * 1000) / per_second));
    await sleep(TICK_MS);
  }
  await Promise.all(all);
  agent.destroy();
  return probed;
}

/** The value that this part of all values does not exceed; undefined when there is none. */
export function percentile(values: number[], part: number): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)];
}
