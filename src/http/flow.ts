/** So few under way are never too many, and tell nothing of how fast this process can be. */
const FEW = 64;
/** What is known is as old as so much work. */
const MEMORY_MS = 1_000;

/**
 * How long this process will work on requests that come now: as many as are under way, at the pace at which
 * they end. Only the time in which its event loop had something to do counts. The batcher knows how long they
 * will wait for Redis, and while Redis or Postgres is away this process is not slow, but idle.
 */
export function createFlow() {
  let under_way = 0;
  let last_at = 0;
  const busy = { ms: 0, ended: 0 };

  function begin(): void {
    under_way += 1;
    if (under_way === FEW) last_at = workedMs();
  }

  /** @param done it was answered: what is given up, as all are while Redis is away, tells no pace */
  function end(done: boolean): void {
    if (done && under_way >= FEW) {
      const now = workedMs();
      busy.ms += Math.min(now - last_at, MEMORY_MS);
      busy.ended += 1;
      last_at = now;
      if (busy.ms > MEMORY_MS) {
        busy.ms /= 2;
        busy.ended /= 2;
      }
    }
    under_way -= 1;
  }

  /** 0 as long as few are under way, or nothing is known. */
  const msOfNext = () =>
    under_way < FEW || busy.ended < FEW ? 0 : (under_way * busy.ms) / busy.ended;

  return { begin, end, msOfNext };
}

const workedMs = () => performance.eventLoopUtilization().active;
