/** One page of a list, and where the next one begins: null when this is the last. */
export type ListPage<Item, Place> = { items: Item[]; next: Place | null };

/** Makes a page of the rows of a query that asked for one more than the page holds. */
export function pageOf<Item, Place>(
  rows: Item[],
  limit: number,
  placeOf: (last: Item) => Place,
): ListPage<Item, Place> {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return { items, next: last && rows.length > limit ? placeOf(last) : null };
}
