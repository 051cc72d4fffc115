import { z } from "zod";
import { untilRecorded } from "./drain.ts";
import type { Offer } from "./shopper-plan.ts";
import type { Stack } from "./stack.ts";

const result = z.object({ status: z.literal(["APPLIED", "REPLAYED"]) });

/** Puts the offer on the shelves as a shop would, and returns when the ledger knows of it, too. */
export async function stockUp(
  stack: Pick<Stack, "api_url" | "database_url" | "withRedis">,
  offer: Offer,
): Promise<void> {
  const lines = [...offer].map(([sku, onHand]) => ({ sku, onHand }));
  const response = await fetch(`${stack.api_url}/v1/stock:bulk`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "Idempotency-Key": "drill-stock" },
    body: JSON.stringify(lines),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`the products could not be stocked: ${text}`);
  for (const line of text.trimEnd().split("\n")) result.parse(JSON.parse(line));
  await untilRecorded(stack);
}
