import { createClient } from "../../src/client/client.ts";
import { untilRecorded } from "./drain.ts";
import type { Offer } from "./shopper-plan.ts";
import type { Stack } from "./stack.ts";

/** Puts the offer on the shelves as a shop would, and returns when the ledger knows of it, too. */
export async function stockUp(
  stack: Pick<Stack, "api_url" | "database_url" | "withRedis">,
  offer: Offer,
): Promise<void> {
  const lines = [...offer].map(([sku, onHand]) => ({ sku, onHand }));
  const { stock } = createClient({ url: stack.api_url });
  const results = await stock.bulk(lines, { idempotencyKey: "drill-stock" });
  const refused = results.find(({ status }) => status === "REFUSED");
  if (refused) throw new Error(`the products could not be stocked: ${JSON.stringify(refused)}`);
  await untilRecorded(stack);
}
