/** The only place that spells a Redis key. With one partition, the default, there is one set of them. */
export type Keys = ReturnType<typeof createKeys>;

/** @param defaultStore the store whose stock keys carry no suffix, so that `SET stock:<sku> 100` seeds it */
export function createKeys(defaultStore: string) {
  const item = (sku: string, store_id: string) =>
    store_id === defaultStore ? sku : `${sku}@${store_id}`;
  return {
    stock: (sku: string, store_id: string) => `stock:${item(sku, store_id)}`,
    item: (sku: string, store_id: string) => `item:${item(sku, store_id)}`,
    hold: (hold_id: string) => `hold:${hold_id}`,
    /** Keys of different routes are different keys: the same word may be used for a reserve and a confirm. */
    idem: (route: "reserve" | "confirm" | "cancel", key: string) => `idem:${route}:${key}`,
    deadlines: "holds:deadlines",
    seq: "inventory.seq",
    stream: "inventory.events",
    dead: "inventory.dead",
  };
}

/** The consumer group that records. */
export const GROUP = "inventory.cg";
