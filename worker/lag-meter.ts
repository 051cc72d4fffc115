import { readLag } from "../src/health.ts";
import type { Ledger } from "../src/postgres/ledger.ts";
import type { Stream } from "../src/redis/stream.ts";
import type { Agent } from "./loop.ts";
import { lagEvents, lagSeconds } from "./metrics.ts";

const EVERY_MS = 1_000;

/**
 * Keeps the metrics that tell how far Postgres is behind Redis, and tells Postgres how far that is.
 * While Postgres is away the lag grows from what it last said: that is when somebody watches it.
 */
export function createLagMeter({ stream, ledger }: { stream: Stream; ledger: Ledger }): Agent {
  let last: Awaited<ReturnType<Ledger["readProgress"]>> | null = null;

  async function readProgress() {
    try {
      last = await ledger.readProgress();
    } catch (error) {
      if (!last) throw error;
    }
    return last;
  }

  async function noteSeen() {
    const seen = await stream.lastSeqAdmitted();
    if (seen) await ledger.noteSeen(seen);
  }

  async function runOnce(): Promise<number> {
    const lag = await readLag({ ...stream, readProgress });
    lagEvents.set(lag.events);
    lagSeconds.set(lag.seconds);
    // That Postgres is away is what the lag tells; it is noted when it is back.
    if (lag.events > 0) await noteSeen().catch(() => {});
    return 0;
  }

  return { name: "lag meter", idle_ms: EVERY_MS, runOnce };
}
