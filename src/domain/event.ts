import type { Hold, HoldStatus, Line } from "./hold.ts";
import type { UnfulfilledPayment } from "./payment.ts";
import type { SaleRules } from "./rules.ts";
import type { Waiter } from "./waiter.ts";

/** Which status each event of a hold leaves it in. */
export const HOLD_EVENTS = {
  HOLD_CREATED: "ACTIVE",
  HOLD_CONFIRMED: "CONFIRMED",
  HOLD_CANCELLED: "CANCELLED",
  HOLD_EXPIRED: "EXPIRED",
  HOLD_PURCHASED: "CONFIRMED",
  HOLD_CHANGED: "ACTIVE",
  HOLD_EXTENDED: "ACTIVE",
} as const satisfies Record<string, HoldStatus>;
/** Changes of stock that are no hold's. */
export const STOCK_EVENTS = [
  "STOCK_ADJUSTED",
  "STOCK_COUNTED",
  "STOCK_TRANSFERRED",
  "ORDER_RETURNED",
] as const;
/** Changes of what a sale allows, which move no units. */
export const RULES_EVENTS = ["RULES_CHANGED"] as const;
/** Money that moved, and that no units could be given for. */
export const PAYMENT_EVENTS = ["PAYMENT_UNFULFILLED"] as const;
/** Changes of who waits for a stock, which move no units. */
export const WAITER_EVENTS = ["WAITER_JOINED", "WAITER_LEFT"] as const;
export type HoldEventType = keyof typeof HOLD_EVENTS;
export type StockEventType = (typeof STOCK_EVENTS)[number];
type RulesEventType = (typeof RULES_EVENTS)[number];
type PaymentEventType = (typeof PAYMENT_EVENTS)[number];
export type WaiterEventType = (typeof WAITER_EVENTS)[number];
export type EventType =
  | HoldEventType
  | StockEventType
  | RulesEventType
  | PaymentEventType
  | WaiterEventType;
const HOLD_EVENT_TYPES = Object.keys(HOLD_EVENTS) as HoldEventType[]; // Object.keys forgets the literals
/** Those that may move units of a stock. */
export const MOVING_EVENTS: readonly EventType[] = [
  ...HOLD_EVENT_TYPES.filter((type) => type !== "HOLD_EXTENDED"),
  ...STOCK_EVENTS,
];
export const EVENT_TYPES: readonly EventType[] = [
  ...HOLD_EVENT_TYPES,
  ...STOCK_EVENTS,
  ...RULES_EVENTS,
  ...PAYMENT_EVENTS,
  ...WAITER_EVENTS,
];

/** A stock as an event left it. */
export type StockState = {
  sku: string;
  store_id: string;
  available: number;
  held: number;
  version: number;
};

type Happening = {
  event_version: number;
  occurred_at: number;
  request_id: string;
  reason?: string | undefined;
  /** What the request's idempotency key did: its key in Redis, and the text that is kept there. */
  record?: [key: string, text: string] | undefined;
};

/**
 * What an event says of its hold, and of each stock as it left it. Deltas stand there when they are not those
 * that its type and the quantity tell, as with a hold that was changed.
 */
export type HoldPayload = Omit<Hold, "lines"> &
  Happening & {
    lines: (Line & StockState & { deltas?: Deltas | undefined })[];
    /** Whom the hold was offered to, who had waited for it. */
    waiter?: WaitingSince | undefined;
  };

type WaitingSince = Pick<Waiter, "waiter_id" | "joined_at" | "joined_seq" | "offer_ms">;

type Deltas = { available_delta: number; held_delta: number };

/** What a change of stock says of itself, and of each stock as it left it. */
export type StockPayload = Happening & {
  actor: string;
  reference?: string | undefined;
  notes?: string | undefined;
  trace_id?: string | undefined;
  /** Of a transfer. Its lines are all those of `from_store`, then all those of `to_store`. */
  from_store?: string | undefined;
  to_store?: string | undefined;
  /** Of a count: what was counted, which may be fewer units than are held. */
  on_hand?: number | undefined;
  /** `freed`, of a return: its customer may buy as many again. */
  lines: (StockState & { available_delta: number; freed?: boolean | undefined })[];
};

/** What a change of a sku's rules says of itself. */
export type RulesPayload = Happening & {
  actor: string;
  sku: string;
  /** Null: they were taken away. */
  rules: SaleRules | null;
  /** What they were; null when there were none. Undefined in events of before this was told. */
  before: SaleRules | null | undefined;
  version: number;
  counts: boolean;
  /** Customers are counted from here on: what they have by now is to be added. */
  counting_begins: boolean;
};

/** What is said of a payment that nothing could be given for. */
export type PaymentPayload = Happening &
  UnfulfilledPayment & {
    /** As it was then; null when nobody knew it. */
    hold: Pick<Hold, "status" | "user_id" | "lines"> | null;
  };

/** What a change of who waits says: the waiter, whole. */
export type WaiterPayload = Happening & Waiter;

/**
 * A fact that happened. `seq` counts a partition's events without gaps; `generation` is the admission of Redis
 * under which it did, 0 before the first one; `payload_json` is what was said; `traceparent` is the span of
 * the request that made it, when that was traced.
 */
type Fact<Type extends EventType, Payload> = {
  event_id: string;
  seq: number;
  generation: number;
  type: Type;
  payload: Payload;
  payload_json: string;
  traceparent?: string | undefined;
};
export type HoldEvent = Fact<HoldEventType, HoldPayload>;
export type StockEvent = Fact<StockEventType, StockPayload>;
export type RulesEvent = Fact<RulesEventType, RulesPayload>;
export type PaymentEvent = Fact<PaymentEventType, PaymentPayload>;
export type WaiterEvent = Fact<WaiterEventType, WaiterPayload>;
export type InventoryEvent = HoldEvent | StockEvent | RulesEvent | PaymentEvent | WaiterEvent;

export const isHoldEvent = (event: InventoryEvent): event is HoldEvent => isHoldType(event.type);
export const isPaymentEvent = (event: InventoryEvent): event is PaymentEvent =>
  isPaymentType(event.type);
export const isPaymentType = (type: EventType): type is PaymentEventType =>
  PAYMENT_EVENTS.some((payment) => payment === type);
export const isRulesEvent = (event: InventoryEvent): event is RulesEvent => isRulesType(event.type);
export const isRulesType = (type: EventType): type is RulesEventType =>
  RULES_EVENTS.some((rules) => rules === type);
export const isWaiterEvent = (event: InventoryEvent): event is WaiterEvent =>
  isWaiterType(event.type);
export const isWaiterType = (type: EventType): type is WaiterEventType =>
  WAITER_EVENTS.some((waiters) => waiters === type);
export const isHoldType = (type: EventType): type is HoldEventType => type in HOLD_EVENTS;

/** The lowest id that an event of this time, in ms, can have: a UUIDv7 begins with it. */
export function firstEventIdAt(millis: number): string {
  const hex = Math.max(0, millis).toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`;
}
