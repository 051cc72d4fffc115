import { HoldfastProblem } from "../../../src/client/client.ts";
import { readUpConfig } from "../../../src/config.ts";
import { runningParts, stackFiles } from "../../stack-files.ts";
import { readAudit } from "../audit-pages.ts";
import type { Context } from "../context.ts";
import { failureOf, whyIn } from "../failure.ts";
import type { Facts, Process, Read } from "./facts.ts";
import { readSamples, type Samples } from "./samples.ts";

/** A part that takes longer to say how it is is not well. */
const LOOK_MS_MAX = 4_000;
/** Of lists only so many are counted. */
const LIST_MAX = 50;

/** Asks everybody at once, each but once. */
export async function askAll(context: Context): Promise<Facts> {
  const { url, worker_url, is_local, token } = context;
  const timeout_ms = Math.min(LOOK_MS_MAX, context.timeout_ms);
  const { operation, payments: paid, rules } = context.client;
  const once = { tries: 1, timeoutMs: timeout_ms };
  const files = stackFiles(readUpConfig());
  const [api, worker, recovery, projections, letters, audit, payments, paused, ...rest] =
    await Promise.all([
      askProcess(url, timeout_ms),
      worker_url === undefined ? NOT_ASKED : askProcess(worker_url, timeout_ms),
      settled(operation.recovery(once)),
      settled(operation.projections(once)),
      settled(operation.deadLetters({ limit: LIST_MAX }, once)),
      settled(readAudit(context.client, { shown: LIST_MAX }, { timeout_ms, tries: 1 })),
      settled(paid.unfulfilled({ resolved: "false", limit: LIST_MAX }, once)),
      settled(rules.list({ paused: "true", limit: LIST_MAX }, once)),
      askMetrics(url, timeout_ms, token),
      worker_url === undefined ? NOT_TOLD : askMetrics(worker_url, timeout_ms),
      is_local ? runningParts(files) : [],
    ]);
  const [api_metrics, worker_metrics, parts] = rest;
  return {
    ...{
      url,
      worker_url,
      is_local,
      api,
      worker,
      recovery,
      projections,
      letters,
      audit,
      payments,
      paused,
    },
    ...{ api_metrics, worker_metrics, data_dir: files.dir },
    running: parts.map(({ name }) => name),
  };
}

const NOT_ASKED = { state: "NOT_ASKED" } as const;
const NOT_TOLD = { code: "NOT_ASKED", why: "nobody has said where it is" };

async function settled<Body>(answer: Promise<Body>): Promise<Read<Body>> {
  try {
    return { body: await answer };
  } catch (error) {
    const why = error instanceof HoldfastProblem ? error.detail : failureOf(error).message;
    return { code: failureOf(error).code, why };
  }
}

/** /ready is for everybody, without a token. */
async function askProcess(url: string, timeout_ms: number): Promise<Process> {
  try {
    const response = await fetch(`${url}/ready`, { signal: AbortSignal.timeout(timeout_ms) });
    const said = Object(await response.json());
    if (response.ok) return { state: "READY" };
    if (typeof said.missing !== "object") return { state: "AWAY", why: `HTTP ${response.status}` };
    return { state: "NOT_READY", missing: said.missing };
  } catch (error) {
    return { state: "AWAY", why: whyIn(error) };
  }
}

async function askMetrics(
  url: string,
  timeout_ms: number,
  token?: string | undefined,
): Promise<Read<Samples>> {
  return settled(
    fetch(`${url}/metrics`, {
      signal: AbortSignal.timeout(timeout_ms),
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    }).then(async (response) => {
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
      return readSamples(await response.text());
    }),
  );
}
