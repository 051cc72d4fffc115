import type { Pool } from "./client.ts";
import { createEventHistory } from "./history-events.ts";
import { createHoldHistory } from "./history-holds.ts";
import { createLevelReads } from "./history-levels.ts";
import { createMovementHistory } from "./history-movements.ts";

/** Lists of what is recorded, page by page. All of them reject when Postgres can't be asked. */
export function createHistory(pool: Pool) {
  return {
    ...createHoldHistory(pool),
    ...createMovementHistory(pool),
    ...createEventHistory(pool),
    ...createLevelReads(pool),
  };
}
