import type { createUnfulfilled } from "../src/postgres/unfulfilled.ts";
import type { Agent } from "./loop.ts";
import { unresolvedPayments } from "./metrics.ts";

const EVERY_MS = 5_000;

/** Keeps the metric that tells for how many payments nobody has done anything yet. */
export function createPaymentMeter({
  countOpen,
}: Pick<ReturnType<typeof createUnfulfilled>, "countOpen">): Agent {
  async function runOnce(): Promise<number> {
    unresolvedPayments.set(await countOpen());
    return 0;
  }

  return { name: "payment meter", idle_ms: EVERY_MS, runOnce };
}
