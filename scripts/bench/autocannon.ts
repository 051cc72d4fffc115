import { createRequire } from "node:module";
import autocannon from "autocannon";
import { z } from "zod";
import { type Generator, type Load, newKeyPrefix, skuName, TTL_SECONDS } from "./load.ts";

/** Longer than the API's own limit: it is the API that gives up, with an answer. */
const ANSWER_SECONDS_MAX = 10;
const SAMPLE_MS = 100;

const { version } = z
  .object({ version: z.string() })
  .parse(createRequire(import.meta.url)("autocannon/package.json"));

/**
 * For machines that have no wrk and can't install it. It needs several times the CPU, in this very process,
 * so every figure comes out smaller; and its open loop sends what is due in a second at that second's start.
 */
export function createAutocannon(): Generator {
  return {
    name: `autocannon ${version}`,
    note: "which needs several times the CPU of wrk: install wrk for better figures",
    async start(load, parts) {
      const ended = Promise.withResolvers<autocannon.Result>();
      const instance = autocannon(optionsOf(load), (error, result) => {
        if (error) ended.reject(error);
        else ended.resolve(result);
      });
      await parts.start("autocannon", async () => ({ stop: async () => stop(instance) }));
      return {
        result: ended.promise.then((result) => ({
          requests: result.requests.total,
          seconds: result.duration,
          p50_ms: result.latency.p50,
          p99_ms: result.latency.p99,
          p999_ms: result.latency.p99_9,
          refused: result["4xx"] + result["5xx"],
          failed: result.errors + result.timeouts,
        })),
        stopEarly: () => stop(instance),
      };
    },
  };
}

function stop(instance: autocannon.Instance) {
  instance.stop?.(); // its types don't know it on every instance
}

function optionsOf({ kind, origin, path, clients, seconds, skus, per_second }: Load) {
  const nextReserve = reserves(skus);
  const reserve: autocannon.Request = {
    method: "POST",
    path: kind === "CHECKOUT" ? "/holds/reserve" : path,
    headers: { "content-type": "application/json" },
    setupRequest: (request) => ({ ...request, body: nextReserve() }),
  };
  return {
    url: origin,
    connections: clients,
    duration: seconds,
    timeout: ANSWER_SECONDS_MAX,
    sampleInt: SAMPLE_MS,
    ...(per_second > 0 ? { overallRate: per_second } : {}),
    requests: kind === "CHECKOUT" ? [remembering(reserve), confirm] : [reserve],
  };
}

function reserves(skus: number) {
  const key_prefix = newKeyPrefix();
  let count = 0;
  return () => {
    count += 1;
    const number = String(count).padStart(8, "0");
    return JSON.stringify({
      sku: skuName((count * 7919) % skus),
      qty: 1,
      user_id: `user-${number}`,
      ttl_seconds: TTL_SECONDS,
      idempotency_key: `${key_prefix}-${number}`,
    });
  };
}

// Each client has a context of its own: it confirms the hold that it reserved.
function remembering(reserve: autocannon.Request): autocannon.Request {
  return {
    ...reserve,
    onResponse: (_status, body, context) => {
      Object.assign(context, { hold_id: /"hold_id":"([^"]+)"/.exec(body)?.[1] });
    },
  };
}

const confirm: autocannon.Request = {
  method: "POST",
  path: "/holds/confirm",
  headers: { "content-type": "application/json" },
  setupRequest: (request, context) => ({
    ...request,
    body: JSON.stringify({ ...context, payment_ref: "pay-00000000" }),
  }),
};
