import type { RecordedEvent, StockLevel } from "../../src/domain/batch-plan.ts";
import type {
  HoldEvent,
  HoldEventType,
  HoldPayload,
  StockEventType,
  StockPayload,
} from "../../src/domain/event.ts";

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

/** What a change of stock says; a transfer and a count have members of their own. */
export function stockPayloadOf(
  type: StockEventType = "STOCK_ADJUSTED",
  more: Partial<StockPayload> = {},
): StockPayload {
  const transfers = type === "STOCK_TRANSFERRED";
  return {
    event_version: 1,
    occurred_at: 1_700_000_000_000,
    request_id: "request-1",
    actor: "api",
    ...(transfers ? { from_store: "main", to_store: "north" } : {}),
    ...(type === "STOCK_COUNTED" ? { on_hand: 12 } : {}),
    lines: [
      { sku: "phone", store_id: "main", available_delta: -3, available: 8, held: 2, version: 4 },
      ...(transfers
        ? [
            {
              sku: "phone",
              store_id: "north",
              available_delta: 3,
              available: 3,
              held: 0,
              version: 1,
            },
          ]
        : []),
    ],
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

type StockAfter = { sku?: string; available: number; held: number; version: number };

/** An event of a hold of one line, and what its stock was after it. Its `recorded_id` is its seq, doubled. */
export function eventOf(
  seq: number,
  type: HoldEventType,
  stock: StockAfter & { quantity?: number },
  payload: Partial<HoldPayload> = {},
): HoldEvent & RecordedEvent {
  const lines = [{ sku: "phone", store_id: "main", quantity: 1, ...stock }];
  return fact(seq, type, payloadOf({ lines, occurred_at: 1_000 + seq, ...payload }));
}

/** A change of one stock, or of those that `payload` names. */
export function stockEventOf(
  seq: number,
  type: StockEventType,
  stock: StockAfter & { available_delta: number },
  payload: Partial<StockPayload> = {},
) {
  const lines = [{ sku: "phone", store_id: "main", ...stock }];
  return fact(seq, type, stockPayloadOf(type, { lines, occurred_at: 1_000 + seq, ...payload }));
}

const fact = <Type, Payload>(seq: number, type: Type, payload: Payload) => ({
  event_id: `0192b3a4-0000-7000-8000-${String(seq).padStart(12, "0")}`,
  recorded_id: 2 * seq,
  generation: 0,
  seq,
  type,
  payload,
  payload_json: JSON.stringify(payload),
});

/** What the ledger knows of the phones in the main store. */
export const levelOf = (more: Partial<StockLevel> = {}): StockLevel => ({
  sku: "phone",
  store_id: "main",
  available: 10,
  held: 0,
  version: 4,
  updated_at: 1,
  ...more,
});
