import {
  HOLD_EVENTS,
  type HoldEvent,
  type HoldEventType,
  type HoldPayload,
  type StockEvent,
  type StockEventType,
  type StockPayload,
} from "../../src/domain/event.ts";
import { newEventId, newHoldId } from "../../src/domain/ids.ts";
import { openRecording, type Recording } from "../../src/postgres/recording.ts";

export const NOON = Date.UTC(2026, 4, 15, 12);

/** Lends the recording of a test's database. */
export async function recording<T>(
  databaseUrl: string,
  work: (to: Recording) => Promise<T>,
): Promise<T> {
  const open = await openRecording(databaseUrl, 0);
  if (!open) throw new Error("Another recording is open.");
  try {
    return await work(open);
  } finally {
    await open.close();
  }
}

/** A hold of two stocks, whose version is the event's seq. */
export const created = (seq: number, payload: Partial<HoldPayload> = {}) =>
  holdEvent(seq, "HOLD_CREATED", payload);

/** An event of such a hold. */
export function holdEvent(
  seq: number,
  type: HoldEventType,
  more: Partial<HoldPayload> = {},
): HoldEvent {
  const payload: HoldPayload = {
    event_version: 1,
    occurred_at: NOON,
    request_id: "r",
    hold_id: newHoldId(),
    status: HOLD_EVENTS[type],
    user_id: "ann",
    created_at: NOON,
    expires_at: NOON + 1,
    version: 1,
    lines: [
      { sku: "tea", store_id: "main", quantity: 2, available: 8, held: 2, version: seq },
      { sku: "cup", store_id: "shop-1", quantity: 1, available: 0, held: 1, version: seq },
    ],
    ...more,
  };
  return {
    ...{ event_id: newEventId(), type, seq, generation: 0, payload },
    payload_json: JSON.stringify(payload),
  };
}

/** A change of one stock, whose version is the event's seq. */
export function stockEvent(
  seq: number,
  type: StockEventType,
  more: Partial<StockPayload> = {},
): StockEvent {
  const payload: StockPayload = {
    event_version: 1,
    occurred_at: NOON,
    request_id: "r",
    actor: "api",
    lines: [
      { sku: "tea", store_id: "main", available_delta: 5, available: 5, held: 0, version: seq },
    ],
    ...more,
  };
  return {
    ...{ event_id: newEventId(), type, seq, generation: 0, payload },
    payload_json: JSON.stringify(payload),
  };
}
