import type { InventoryEvent } from "../domain/event.ts";
import type { Connection } from "./client.ts";

/**
 * The ids of events that were decided before Redis was last admitted, and that are not recorded: Redis
 * goes on without them, so the ledger must too. One that is recorded has merely come again.
 */
export async function refuseOutdated(
  client: Connection,
  events: InventoryEvent[],
  generation: number,
): Promise<Set<string>> {
  const older = events.filter((event) => event.generation < generation);
  const refused = new Set(older.map(({ event_id }) => event_id));
  if (refused.size === 0) return refused;
  const { rows } = await client.query<{ event_id: string }>(
    "select event_id from processed_events where event_id = any($1::uuid[])",
    [[...refused]],
  );
  for (const { event_id } of rows) refused.delete(event_id);
  return refused;
}
