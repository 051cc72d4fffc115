import type { Redis } from "ioredis";
import { parseEvent } from "../../src/domain/parse-event.ts";
import { openRecording } from "../../src/postgres/recording.ts";

/** Writes everything that is in the stream into the ledger, as the worker does. */
export async function recordAll(redis: Redis, databaseUrl: string): Promise<void> {
  const recording = await openRecording(databaseUrl, 0);
  if (!recording) throw new Error("somebody else records");
  try {
    const entries = await redis.xrange("inventory.events", "-", "+");
    const events = entries.map(([, flat]) => parseEvent(fieldsOf(flat)));
    await recording.apply(events, entries.at(-1)?.[0] ?? "0-0");
  } finally {
    await recording.close();
  }
}

function fieldsOf(flat: string[]): Record<string, string> {
  const fields: Record<string, string> = {};
  for (let i = 0; i + 1 < flat.length; i += 2) fields[flat[i] ?? ""] = flat[i + 1] ?? "";
  return fields;
}
