import type { Log } from "../src/log.ts";

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

/**
 * Runs an agent again and again until `stop`, which waits for the batch at work. A fault is waited out with a
 * growing pause; nothing is lost by it, since every agent's batch may be run again.
 */
export function startLoop({ name, runOnce, idle_ms }: Agent, log: Log) {
  const stopping = new AbortController();
  let failures = 0;

  async function run() {
    while (!stopping.signal.aborted) {
      try {
        const count = await runOnce();
        if (failures > 0) log.info({ agent: name }, "the agent works again");
        failures = 0;
        if (count === 0) await pause(idle_ms);
      } catch (err) {
        failures += 1;
        // Once is enough for an outage, however long it lasts.
        if (failures === 1) log.warn({ agent: name, err }, "the agent failed, trying again");
        await pause(backoff(failures));
      }
    }
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

// With jitter, so that workers that failed together don't come back together.
function backoff(failures: number): number {
  const ms = Math.min(BACKOFF_MS_MIN * 2 ** (failures - 1), BACKOFF_MS_MAX);
  return ms / 2 + (Math.random() * ms) / 2;
}
