import { Rejection } from "../domain/rejection.ts";
import { monotonicNow } from "../now.ts";
import { isRefusal } from "../postgres/client.ts";
import { OutcomeUnknown } from "../postgres/transaction.ts";
import { Overloaded, RedisFault } from "../redis/outcome.ts";
import { within } from "../within.ts";
import type { RequestContext } from "./answer.ts";
import type { LagReader } from "./lag.ts";
import { LedgerUnavailable } from "./problem.ts";

/**
 * Asks Postgres, for as long as somebody waits for the answer.
 * @throws LedgerUnavailable when it has none in time; a Rejection rises as it is, and so does a bug
 */
export async function askLedger<T>(context: RequestContext, work: Promise<T>): Promise<T> {
  try {
    return await inTime(context, work);
  } catch (cause) {
    throw unavailable(cause);
  }
}

/**
 * Reads what is recorded, and how far that is behind. The lag comes first: asked afterwards, it would not
 * count what was recorded between the two.
 */
export async function readRecorded<T>(
  { readLag }: { readLag: LagReader },
  context: RequestContext,
  read: () => Promise<T>,
): Promise<{ recorded: T; lag_ms: number }> {
  const lag_ms = await askLedger(context, readLag());
  return { recorded: await askLedger(context, read()), lag_ms };
}

/**
 * Waits for a write of `once()`, for as long as somebody waits for the answer.
 * @throws LedgerUnavailable when it failed before its commit was sent: nothing was done
 * @throws OutcomeUnknown when that can't be said. The work goes on when nobody waits any more.
 */
export async function writeLedger<T>(context: RequestContext, work: Promise<T>): Promise<T> {
  const told = work.then(
    (result) => ({ result }),
    (cause: unknown) => ({ failure: cause instanceof OutcomeUnknown ? cause : unavailable(cause) }),
  );
  const outcome = await inTime(context, told).catch((cause: unknown) => ({
    failure: new OutcomeUnknown("Postgres did not answer a write in time.", { cause }),
  }));
  if ("failure" in outcome) throw outcome.failure;
  return outcome.result;
}

/**
 * Waits for what follows a commit. Something was done already, so a failure must not tell the caller that
 * nothing was: the same request again does the rest.
 * @throws OutcomeUnknown instead of a fault of Redis
 */
export async function afterCommit<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    if (!(cause instanceof RedisFault) && !(cause instanceof Overloaded)) throw cause;
    throw new OutcomeUnknown("Postgres has its part, and Redis not yet.", { cause });
  }
}

const inTime = <T>(context: RequestContext, work: Promise<T>) =>
  within(context.deadline - monotonicNow(), work);

// What Postgres refuses that our schemas let pass is a bug, and no outage.
const unavailable = (cause: unknown) =>
  cause instanceof Rejection || isRefusal(cause) || cause instanceof LedgerUnavailable
    ? cause
    : new LedgerUnavailable("Postgres could not be asked.", { cause });
