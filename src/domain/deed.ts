import type { RulesEvent, StockEvent } from "./event.ts";

/** Who writes something, and by which request. */
export type Doer = { who: string; request_id: string };

/** What people who run the shop may have done. Of what Redis decides it is the event's type. */
export const DEEDS = [
  "STOCK_ADJUSTED",
  "STOCK_COUNTED",
  "STOCK_TRANSFERRED",
  "ORDER_RETURNED",
  "RULES_CHANGED",
  "PRODUCT_CREATED",
  "PRODUCT_CHANGED",
  "PRODUCT_DELETED",
  "STORE_SET",
  "PAYMENT_RESOLVED",
  "REPLAY_REQUESTED",
  "REBUILD_REQUESTED",
  "RECOVERY_APPROVED",
  "RECOUNT_REQUESTED",
  "KEY_CREATED",
  "KEY_ROTATED",
  "KEY_REVOKED",
] as const;

export type Deed = {
  what: (typeof DEEDS)[number];
  /** The name of what it was done to. */
  subject: string;
  /** As it was, and is; null when there was nothing, or is nothing any more. Nothing secret. */
  before: object | null;
  after: object | null;
};

/** What an event says of who did it. Its stocks are told by their counts. */
export function deedOf(event: StockEvent | RulesEvent): Deed {
  if (event.type === "RULES_CHANGED") {
    const { sku, rules, before = null } = event.payload;
    return { what: event.type, subject: sku, before, after: rules };
  }
  const { lines, reference } = event.payload;
  const [first] = lines;
  const is_return = event.type === "ORDER_RETURNED" && reference !== undefined;
  return {
    what: event.type,
    subject: is_return ? reference : `${first?.sku}@${first?.store_id}`,
    before: {
      lines: lines.map(({ sku, store_id, available, available_delta, held }) => ({
        ...{ sku, store_id, available: available - available_delta, held },
      })),
    },
    after: {
      lines: lines.map(({ sku, store_id, available, held, version }) => ({
        ...{ sku, store_id, available, held, version },
      })),
    },
  };
}
