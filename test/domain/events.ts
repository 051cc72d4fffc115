import type { HoldPayload, InventoryEvent } from "../../src/domain/event.ts";

/** A payload that is as it should be; a sold one names its order. */
export function payloadOf(more: Partial<HoldPayload> = {}): HoldPayload {
  return {
    event_version: 1,
    occurred_at: 1_700_000_000_000,
    request_id: "request-1",
    hold_id: "H-0192b3a4-0000-7000-8000-000000000001",
    status: "ACTIVE",
    user_id: "user-1",
    created_at: 1_700_000_000_000,
    expires_at: 1_700_000_300_000,
    version: 1,
    ...(more.status === "CONFIRMED" ? { order_id: "O-1", payment_ref: "p-1" } : {}),
    lines: [{ sku: "phone", store_id: "main", quantity: 2, available: 8, held: 2, version: 1 }],
    ...more,
  };
}

/** The fields of a stream entry. */
export const eventFields = (
  more: Record<string, string> = {},
  payload: unknown = payloadOf(),
): Record<string, string> => ({
  event_id: "0192b3a4-0000-7000-8000-000000000001",
  type: "HOLD_CREATED",
  seq: "7",
  payload: JSON.stringify(payload),
  ...more,
});

/** A deep copy in which one member is another. */
export function changed(whole: unknown, path: (string | number)[], value: unknown): unknown {
  const [first, ...rest] = path;
  if (first === undefined) return value;
  if (Array.isArray(whole)) {
    return whole.map((item, i) => (i === first ? changed(item, rest, value) : item));
  }
  const members = { ...(whole as Record<string, unknown>) }; // a path leads through objects only
  return { ...members, [first]: changed(members[first], rest, value) };
}

/** An event of a hold of one line, and what its stock was after it. */
export function eventOf(
  seq: number,
  type: InventoryEvent["type"],
  stock: { sku?: string; quantity?: number; available: number; held: number; version: number },
  payload: Partial<HoldPayload> = {},
): InventoryEvent {
  return {
    event_id: `0192b3a4-0000-7000-8000-${String(seq).padStart(12, "0")}`,
    type,
    seq,
    payload: payloadOf({
      lines: [{ sku: "phone", store_id: "main", quantity: 1, ...stock }],
      occurred_at: 1_000 + seq,
      ...payload,
    }),
  };
}
