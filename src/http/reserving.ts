import { z } from "zod";
import type { Ledger } from "../postgres/ledger.ts";
import { within } from "../within.ts";

// What both doors to reserving have in common.

export const reserveMode = z.enum(["all", "partial"]).default("all").meta({
  description: "`partial` takes what there is and what the rules allow, at least one unit.",
});
export const replaceOwn = z.boolean().default(false).meta({
  description:
    "Takes the place of the customer's own live hold of that sku in one step; refused, it leaves it be.",
});

const WAIT_MS_MAX = 200;

/**
 * The customer's newest live hold of one of the skus by the ledger's word: one that was made without
 * `replace`, which Redis has no index of. Null when there is none, or the ledger does not answer in time:
 * that must not stop a sale.
 */
export async function recordedHold(
  { ledger }: { ledger: Ledger },
  user_id: string,
  skus: string[],
): Promise<string | null> {
  if (!user_id) return null;
  return within(WAIT_MS_MAX, ledger.readOwnHold(user_id, skus)).catch(() => null);
}
