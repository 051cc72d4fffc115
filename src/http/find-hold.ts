import type { Hold } from "../domain/hold.ts";
import { HOLD_ID_PATTERN } from "../domain/ids.ts";
import { Rejection } from "../domain/rejection.ts";
import { monotonicNow } from "../now.ts";
import type { Ledger } from "../postgres/ledger.ts";
import type { Inventory } from "../redis/inventory.ts";
import { Recovering, RedisFault } from "../redis/outcome.ts";
import { within } from "../within.ts";
import type { RequestContext } from "./answer.ts";
import { LedgerUnavailable } from "./problem.ts";

/**
 * Finds a hold. Redis forgets an ended one after a day, and may be away; the ledger may not have a young one
 * yet. So only both together may say that there is none.
 * @throws Rejection HOLD_NOT_FOUND
 * @throws LedgerUnavailable when one side has no such hold and the other can't be asked
 * @throws Recovering when the ledger has none, and Redis may have lost it
 */
export async function findHold(
  { inventory, ledger }: { inventory: Inventory; ledger: Ledger },
  hold_id: string,
  context: RequestContext,
): Promise<{ hold: Hold; from: "REDIS" | "LEDGER" }> {
  const timeLeft = () => context.deadline - monotonicNow();
  // Half of the time for each side, or a silent Redis would leave none to ask the ledger.
  const fromRedis = await inventory
    .readHold(knownForm(hold_id), { ...context, deadline: monotonicNow() + timeLeft() / 2 })
    .catch((error: unknown) => {
      if (error instanceof RedisFault) return error;
      throw error;
    });
  if (fromRedis && !(fromRedis instanceof RedisFault)) return { hold: fromRedis, from: "REDIS" };
  const recorded = await within(timeLeft(), ledger.readHold(hold_id)).catch((cause: unknown) => {
    throw new LedgerUnavailable("Postgres could not be asked.", { cause });
  });
  if (recorded) return { hold: recorded, from: "LEDGER" };
  if (fromRedis instanceof Recovering) throw fromRedis;
  throw fromRedis
    ? new LedgerUnavailable("Redis could not be asked.", { cause: fromRedis })
    : holdNotFound();
}

/** What can't be a hold's id is a hold that does not exist, to the caller. */
export function knownForm(hold_id: string): string {
  if (HOLD_ID_PATTERN.test(hold_id)) return hold_id;
  throw holdNotFound();
}

export const holdNotFound = () => new Rejection("HOLD_NOT_FOUND", "There is no such hold.");
