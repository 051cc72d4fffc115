import type { LedgerSide } from "../../src/postgres/admission.ts";
import type { RedisSide, Restoring } from "../../src/redis/restoring.ts";

/** What an admitter does its work with, so that `after` is called after each of its steps. */
export function watching(after: (step: string) => Promise<void>) {
  return {
    changeRestoring: (restoring: Restoring): Restoring => ({
      ...restoring,
      begin: async () => {
        const side = watched<RedisSide>(await restoring.begin(), after);
        await after("begin");
        return side;
      },
    }),
    // That it is still there it says between any two steps, when the last time is long ago.
    changeLedger: ({ restorable, stayInTouch, ...ledger }: LedgerSide): LedgerSide => ({
      ...watched(ledger, after),
      ...{ restorable, stayInTouch },
    }),
  };
}

/** Calls `after` when a function of `side` has done its work. */
function watched<Side extends object>(side: Side, after: (step: string) => Promise<void>): Side {
  const members = Object.entries(side).map(([name, member]) => [
    name,
    typeof member === "function"
      ? async (...args: unknown[]) => {
          const result = await member(...args);
          await after(name);
          return result;
        }
      : member,
  ]);
  return Object.fromEntries(members) as Side; // the same members
}
