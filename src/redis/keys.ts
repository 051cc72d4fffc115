/**
 * What an idempotency key may have been used for. Without a colon in any of them, no two routes can name the
 * same Redis key; so the same word may be used for a reserve and a confirm.
 */
export const IDEM_ROUTES = [
  "reserve",
  "confirm",
  "cancel",
  "v1_reserve",
  "v1_confirm",
  "v1_cancel",
  "purchase",
  "adjust",
  "count",
  "transfer",
  "reconcile",
  "bulk",
  "product",
  "seed",
  "rules",
  "extend",
  "v1_extend",
  "change",
  "payment",
  "waitlist_join",
  "waitlist_leave",
  "return",
] as const;
export type IdemRoute = (typeof IDEM_ROUTES)[number];

/** The only place that spells a Redis key. With one partition, the default, there is one set of them. */
export type Keys = ReturnType<typeof createKeys>;

/** @param defaultStore the store whose stock keys carry no suffix, so that `SET stock:<sku> 100` seeds it */
export function createKeys(defaultStore: string) {
  const item = (sku: string, store_id: string) =>
    store_id === defaultStore ? sku : `${sku}@${store_id}`;
  const stockKey = (sku: string, store_id: string) => `stock:${item(sku, store_id)}`;
  const itemKey = (sku: string, store_id: string) => `item:${item(sku, store_id)}`;
  const keys = {
    stock: stockKey,
    item: itemKey,
    /** Both keys of a stock, as the scripts take them. */
    ofStock: ({ sku, store_id }: { sku: string; store_id: string }) => [
      stockKey(sku, store_id),
      itemKey(sku, store_id),
    ],
    hold: (hold_id: string) => `hold:${hold_id}`,
    /** Who waits, and has waited. lua/lib/waiting.lua makes these three names too. */
    waiter: (waiter_id: string) => `inventory.waiter:${waiter_id}`,
    /** Waiter ids of a stock, `<sku>[@<store_id>]`, by the seq with which they joined. */
    queue: (stock: string) => `inventory.waiting:${stock}`,
    /** user_id -> the waiter in that stock's queue. */
    places: (stock: string) => `inventory.waiting_users:${stock}`,
    /** A stock's name behind the prefix of its keys. */
    stockName: item,
    /** Both keys of a stock that is named so. */
    ofStockName: (name: string) => [`stock:${name}`, `item:${name}`],
    /** When a caller's, customer's or address's bucket of permits is full again. */
    permits: (bucket: string) => `inventory.permits:${bucket}`,
    idem: (route: IdemRoute, key: string) => `idem:${route}:${key}`,
    isIdem: (name: string) => name.startsWith("idem:"),
    /** Every store but the default one, which may be here too: store_id -> latency_rank. Never shrinks. */
    stores: "inventory.stores",
    /** sku -> how many purchases were dealt out in turn. */
    turns: "inventory.turns",
    /** sku -> its rules, in the words of lua/lib/rules.lua. */
    rules: "inventory.rules",
    /** "<sku> <user_id>" -> "<units> <active holds>", of skus that are limited per customer. */
    customers: "inventory.customers",
    /** "<sku> <user_id>" -> the active hold that a reserve with `replace` takes the place of. */
    own_holds: "inventory.own_holds",
    /** sku -> why nobody may take any until somebody has looked. */
    stopped: "inventory.stopped",
    /** "<sku>[@<store_id>]" -> how many wait for that stock. */
    waiting: "inventory.waiting",
    deadlines: "holds:deadlines",
    /** A channel as well: there the scripts tell how far it is. */
    seq: "inventory.seq",
    /** The generation that Redis was admitted with; no such key while it is not. */
    generation: "inventory.generation",
    /** Who admits Redis at the moment, and the generation that it had. */
    admission: "inventory.admission",
    stream: "inventory.events",
    dead: "inventory.dead",
    /** A channel: after each batch the recorder tells there how far it has come. */
    recorded: "inventory.recorded",
  };
  const { stream, seq, deadlines, generation, rules, customers, own_holds, stopped, waiting } =
    keys;
  return {
    ...keys,
    /** What every script that decides takes first, in this order. */
    shared: [stream, seq, deadlines, generation, rules, customers, own_holds, stopped, waiting],
  };
}

/** The consumer group that records. */
export const GROUP = "inventory.cg";
