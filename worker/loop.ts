import type { Log } from "../src/log.ts";
import { monotonicNow } from "../src/now.ts";
import { agentFailures } from "./metrics.ts";

/** One kind of work, a bounded batch at a time. */
export type Agent = {
  name: string;
  /** Does one batch and returns how much there was; 0 means there is nothing to do for now. */
  runOnce: () => Promise<number>;
  /** How long to wait when there was nothing. */
  idle_ms: number;
};

const BACKOFF_MS_MIN = 100;
const BACKOFF_MS_MAX = 2_000;
const REPORT_EVERY_MS = 60_000;

/**
 * Runs an agent again and again until `stop`, which waits for the batch at work. A fault is waited out with a
 * growing pause; nothing is lost by it, since every agent's batch may be run again. A bug is thrown on.
 */
export function startLoop({ name, runOnce, idle_ms }: Agent, log: Log) {
  const stopping = new AbortController();
  let failures = 0;
  let reported = "";
  let reported_at = 0;
  agentFailures.inc({ agent: name }, 0); // so that an alarm sees the first one

  async function run() {
    while (!stopping.signal.aborted) {
      try {
        const count = await runOnce();
        if (failures > 0) log.info({ agent: name }, "the agent works again");
        failures = 0;
        reported = "";
        if (count === 0) await pause(idle_ms);
      } catch (err) {
        if (isBug(err)) throw err;
        failures += 1;
        agentFailures.inc({ agent: name });
        report(err);
        await pause(backoff(failures));
      }
    }
  }

  // A line for each reason, and one a minute as long as it lasts: an outage fails many times a second.
  function report(err: unknown) {
    const message = err instanceof Error ? err.message : String(err);
    const now = monotonicNow();
    if (message === reported && now - reported_at < REPORT_EVERY_MS) return;
    reported = message;
    reported_at = now;
    log.warn({ agent: name, failures, err }, "the agent failed, trying again");
  }

  function pause(ms: number): Promise<void> {
    if (stopping.signal.aborted) return Promise.resolve(); // its event does not come twice
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        stopping.signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      stopping.signal.addEventListener("abort", done);
    });
  }

  const ended = run();
  return {
    stop: () => {
      stopping.abort();
      return ended;
    },
  };
}

/** What no wait mends. It ends the process, and whoever supervises it starts a new one. */
export const isBug = (err: unknown) =>
  err instanceof TypeError || err instanceof RangeError || err instanceof ReferenceError;

// With jitter, so that workers that failed together don't come back together.
function backoff(failures: number): number {
  const ms = Math.min(BACKOFF_MS_MIN * 2 ** (failures - 1), BACKOFF_MS_MAX);
  return ms / 2 + (Math.random() * ms) / 2;
}
