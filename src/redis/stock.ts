import { newEventId, newHoldId, newOrderId } from "../domain/ids.ts";
import { UNITS_MAX } from "../domain/limits.ts";
import { Rejection } from "../domain/rejection.ts";
import type { Policy, StockCounts, StockOperation } from "../domain/stock.ts";
import type { Batcher, Tuple } from "./batcher.ts";
import { actorOf, type CallContext, commonRefusal, createSubmit, nothingDone } from "./deciding.ts";
import { fingerprintOf } from "./fingerprint.ts";
import type { IdemRoute, Keys } from "./keys.ts";
import { RedisFault } from "./outcome.ts";
import { createReturning } from "./returning.ts";
import {
  changeRefusal,
  purchaseRefusal,
  type StockAfter,
  stockAfter,
  stockCounts,
  transferRefusal,
} from "./stock-answers.ts";
import type { Stores } from "./stores.ts";

export type { StockAfter };

const STALE_STORES_TRIES_MAX = 100;
/** One change of one stock: by `units` (ADJUST, signed, not 0), or to `units` on hand (COUNT, from 0 up). */
export type StockChange = {
  sku: string;
  store_id: string;
  operation: StockOperation;
  units: number;
  /** Only when the stock is still at this version. */
  if_version?: number | undefined;
  reason: string;
  reference?: string | undefined;
  notes?: string | undefined;
  trace_id?: string | undefined;
  /** When something else has promised this event already. */
  event_id?: string | undefined;
};

export type Transfer = {
  from_store: string;
  to_store: string;
  lines: { sku: string; quantity: number }[];
  reference?: string | undefined;
  trace_id?: string | undefined;
};

export type Purchase = { sku: string; quantity: number; user_id: string; policy: Policy };

export type Stock = ReturnType<typeof createStock>;

/**
 * The deciding side of everything about stock that is no hold. Like createInventory's functions, all of them
 * throw RedisFault or Overloaded, CorruptKey, and Rejection.
 */
export function createStock({
  batcher,
  keys,
  stores,
  default_store,
}: {
  batcher: Batcher;
  keys: Keys;
  stores: Stores;
  default_store: string;
}) {
  const submit = createSubmit(batcher);

  /** Adjusts or counts a stock. Naming a store that nobody knew makes it known. */
  async function changeStock(
    change: StockChange,
    idem: { route: IdemRoute; key: string; request: unknown[] },
    context: CallContext,
  ): Promise<StockAfter> {
    const { sku, store_id, event_id = newEventId() } = change;
    const tuple = await submit("change_stocks", context, {
      keys: [keys.idem(idem.route, idem.key), keys.stores, ...keys.ofStock(change)],
      args: [
        event_id,
        context.request_id,
        fingerprintOf([idem.route, ...idem.request]),
        actorOf(context),
        sku,
        store_id,
        registers(store_id),
        change.operation,
        String(change.units),
        change.if_version === undefined ? "" : String(change.if_version),
        change.reason,
        change.reference ?? "",
        change.notes ?? "",
        change.trace_id ?? "",
      ],
    });
    if (tuple[0] === "CHANGED" || tuple[0] === "REPLAYED") return stockAfter(tuple, event_id);
    throw changeRefusal(tuple, change);
  }

  /** Moves units from one store to another: all lines or none. */
  async function transferStock(
    transfer: Transfer,
    idempotency_key: string,
    context: CallContext,
  ): Promise<{ event_id: string; occurred_at: number; replayed: boolean }> {
    const { from_store, to_store, reference = "", trace_id = "" } = transfer;
    const lines = sumUnits(transfer);
    const event_id = newEventId();
    const request = ["transfer", from_store, to_store, lines, reference, trace_id];
    const tuple = await submit("transfer_stock", context, {
      keys: [
        keys.idem("transfer", idempotency_key),
        keys.stores,
        ...lines.flatMap(({ sku }) => [
          ...keys.ofStock({ sku, store_id: from_store }),
          ...keys.ofStock({ sku, store_id: to_store }),
        ]),
      ],
      args: [
        event_id,
        context.request_id,
        fingerprintOf(request),
        actorOf(context),
        from_store,
        to_store,
        registers(to_store),
        reference,
        trace_id,
        String(lines.length),
        ...lines.flatMap(({ sku, quantity }) => [sku, String(quantity)]),
      ],
    });
    if (tuple[0] !== "TRANSFERRED" && tuple[0] !== "REPLAYED") {
      throw transferRefusal(tuple, to_store);
    }
    const [, first_id, occurred_at] = tuple;
    return {
      event_id: String(first_id),
      occurred_at: Number(occurred_at),
      replayed: first_id !== event_id,
    };
  }

  /** Picks a store by the policy and sells from it, in one step. `user_id` is "" when nobody was named. */
  async function purchase(
    input: Purchase,
    idempotency_key: string,
    context: CallContext,
  ): Promise<{
    hold_id: string;
    order_id: string;
    store_id: string;
    confirmed_at: number;
    replayed: boolean;
  }> {
    const { sku, quantity, user_id, policy } = input;
    const [event_id, hold_id, order_id] = [newEventId(), newHoldId(), newOrderId()];
    const fingerprint = fingerprintOf(["purchase", sku, quantity, user_id, policy]);
    const tuple = await askStores(({ ids, seen }) =>
      submit("create_purchases", context, {
        keys: [
          keys.hold(hold_id),
          keys.idem("purchase", idempotency_key),
          keys.stores,
          keys.turns,
          ...ids.flatMap((store_id) => keys.ofStock({ sku, store_id })),
        ],
        args: [
          event_id,
          context.request_id,
          hold_id,
          order_id,
          user_id,
          fingerprint,
          policy,
          sku,
          String(quantity),
          String(seen),
          String(ids.length),
          ...ids,
        ],
      }),
    );
    if (tuple[0] !== "PURCHASED" && tuple[0] !== "REPLAYED") throw purchaseRefusal(tuple, sku);
    const [, first_id, first_order_id, store_id, confirmed_at] = tuple;
    return {
      hold_id: String(first_id),
      order_id: String(first_order_id),
      store_id: String(store_id),
      confirmed_at: Number(confirmed_at),
      replayed: first_id !== hold_id,
    };
  }

  /** What the stores have of each sku; an empty list for one that nobody stocks. */
  async function readStocks(
    skus: string[],
    context: CallContext,
  ): Promise<Map<string, StockCounts[]>> {
    const read = async (sku: string) => [sku, await readStores(sku, context)] as const;
    return new Map(await Promise.all([...new Set(skus)].map(read)));
  }

  async function readStores(sku: string, context: CallContext): Promise<StockCounts[]> {
    const tuple = await askStores(({ ids, seen }) =>
      batcher.submit(
        "read_stocks",
        {
          keys: [keys.stores, ...ids.flatMap((store_id) => keys.ofStock({ sku, store_id }))],
          args: [String(seen), String(ids.length), ...ids],
        },
        context.deadline,
      ),
    ).catch((error: unknown) => {
      throw nothingDone(error);
    });
    if (tuple[0] !== "STOCKS") throw commonRefusal(tuple);
    return stockCounts(tuple);
  }

  // The scripts that look at every store are told which there are, and refuse when one has come since.
  async function askStores(
    ask: (known: { ids: string[]; seen: number }) => Promise<Tuple>,
  ): Promise<Tuple> {
    for (let tries = 1; tries <= STALE_STORES_TRIES_MAX; tries += 1) {
      const tuple = await ask(await stores.known());
      if (tuple[0] !== "STALE_STORES") return tuple;
      await stores.refresh();
    }
    throw new RedisFault("NOT_EXECUTED", "There were other stores at each attempt.");
  }

  const registers = (store_id: string) => (store_id === default_store ? "0" : "1");

  return {
    changeStock,
    transferStock,
    purchase,
    readStocks,
    returnUnits: createReturning(submit, keys),
  };
}

function sumUnits({ lines, from_store, to_store }: Transfer): Transfer["lines"] {
  if (from_store === to_store) {
    throw new Rejection("INVALID_REQUEST", "A transfer needs two different stores.");
  }
  const by_sku = new Map<string, number>();
  for (const { sku, quantity } of lines) by_sku.set(sku, (by_sku.get(sku) ?? 0) + quantity);
  return [...by_sku].map(([sku, quantity]) => {
    if (quantity <= UNITS_MAX) return { sku, quantity };
    throw new Rejection("INVALID_REQUEST", `All lines of ${sku} together are ${quantity} units.`);
  });
}
