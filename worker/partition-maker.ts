import type { Log } from "../src/log.ts";
import type { Ledger } from "../src/postgres/ledger.ts";
import type { Agent } from "./loop.ts";

const MONTHS_AHEAD = 3;
const EVERY_MS = 3_600_000;

/** Makes the monthly partitions of stock_movements before their month begins. */
export function createPartitionMaker({ ledger, log }: { ledger: Ledger; log: Log }): Agent {
  async function runOnce(): Promise<number> {
    const made = await ledger.makeMovementPartitions(MONTHS_AHEAD);
    if (made > 0) log.info({ made }, "made partitions of stock_movements");
    return 0;
  }

  return { name: "partition maker", idle_ms: EVERY_MS, runOnce };
}
