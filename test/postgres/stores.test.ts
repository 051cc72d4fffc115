import { afterAll, beforeEach, describe, expect, test } from "@jest/globals";
import { newEventId } from "../../src/domain/ids.ts";
import { query } from "../worker/query.ts";
import { newCall, openCatalogue, settle, stockLevel } from "./catalogue-side.ts";

const side = await openCatalogue();

beforeEach(() => side.empty());

afterAll(() => side.close());

const put = (
  store_id: string,
  name = store_id,
  latency_rank?: number,
  call = newCall("put_store"),
) => side.putStore({ store_id, name, latency_rank }, call);
const listed = async () => (await side.listStores()).map(({ store_id }) => store_id);

describe("putStore", () => {
  test("makes a store", async () => {
    expect(await put("north", "The north", 3)).toEqual({
      store: {
        ...{ store_id: "north", name: "The north", latency_rank: 3 },
        created_at: expect.any(Number),
      },
      replayed: false,
    });
  });

  test("gives a new store rank 0 when it has none", async () => {
    expect((await put("north")).store).toMatchObject({ latency_rank: 0 });
  });

  test.each([
    [undefined, 3],
    [0, 0],
    [4, 4],
  ])("changes a store of rank 3 given rank %p to rank %d, and its name", async (rank, becomes) => {
    const { store } = await put("north", "Old", 3);
    expect((await put("north", "New", rank)).store).toEqual({
      ...store,
      ...{ name: "New", latency_rank: becomes },
    });
    expect(await listed()).toEqual(["main", "north"]);
  });

  test("names a store that the recorder has met", async () => {
    await query(side.url, "insert into stores (store_id, name) values ('north', 'north')");
    await put("north", "The north", 1);
    expect(await side.listStores()).toContainEqual(
      expect.objectContaining({ store_id: "north", name: "The north", latency_rank: 1 }),
    );
  });

  test("gives the first answer again, though the store has changed", async () => {
    const call = newCall("put_store");
    const first = await put("north", "Old", 1, call);
    await put("north", "New", 2);
    expect(await put("north", "Old", 1, call)).toEqual({ ...first, replayed: true });
    expect(await side.listStores()).toContainEqual(expect.objectContaining({ name: "New" }));
  });

  test("refuses its key to another store", async () => {
    const call = newCall("put_store");
    await put("north", "Old", 1, call);
    await expect(put("south", "Old", 1, { ...call, fingerprint: "g" })).rejects.toMatchObject({
      code: "IDEMPOTENCY_KEY_REUSED",
    });
    expect(await listed()).toEqual(["main", "north"]);
  });

  test("of ten at once makes one store, which has what one of them said", async () => {
    const { granted } = await settle(
      Array.from({ length: 10 }, (_, i) => put("north", `n${i}`, i)),
    );
    expect(granted).toHaveLength(10);
    const [, north] = await side.listStores();
    expect(granted.map(({ store }) => store)).toContainEqual(north);
  });
});

describe("listStores", () => {
  test("has the default store before anybody has named it", async () => {
    expect(await side.listStores()).toEqual([
      { store_id: "main", name: "main", latency_rank: 0, created_at: null },
    ]);
  });

  test("has it once when somebody has, with its own name and rank", async () => {
    const { store } = await put("main", "Downtown", 2);
    expect(await side.listStores()).toEqual([store]);
  });

  test("is in the order of the ids", async () => {
    for (const store_id of ["west", "east", "north", "south-2", "south-10"]) await put(store_id);
    expect(await listed()).toEqual(["east", "main", "north", "south-10", "south-2", "west"]);
  });
});

// Where it goes is told by what has the least in total, by the ledger's word.
describe("the store of a product's first stock", () => {
  let products = 0;
  const chosen = async (units = 1) => {
    products += 1;
    const { initial } = await side.createProduct(
      {
        ...{ sku: `new-${products}`, name: "New" },
        initial: { event_id: newEventId(), units },
      },
      newCall("create_product"),
    );
    return initial?.store_id;
  };
  const withoutPromises = () => query(side.url, "truncate initial_stocks");

  test("is the default store when there is no other", async () => {
    expect(await chosen()).toBe("main");
  });

  test("is the default store that nobody has stocked or recorded, when all others have some", async () => {
    await put("north");
    await stockLevel(side.url, "tea", "north", { available: 1 });
    expect(await chosen()).toBe("main");
  });

  test("is a store that has nothing at all, when the default store has some", async () => {
    await put("north");
    await stockLevel(side.url, "tea", "main", { available: 1 });
    expect(await chosen()).toBe("north");
  });

  test("is the one with the least in total, of all skus, held units among them", async () => {
    for (const store_id of ["east", "north"]) await put(store_id);
    await stockLevel(side.url, "tea", "main", { available: 6 });
    await stockLevel(side.url, "cup", "main", { available: 5 });
    await stockLevel(side.url, "tea", "east", { available: 1, held: 9 });
    await stockLevel(side.url, "tea", "north", { available: 4 });
    await stockLevel(side.url, "cup", "north", { available: 7 });
    expect(await chosen()).toBe("east");
  });

  test.each([
    [9, "north"],
    [10, "main"],
    [11, "main"],
  ])("beside one of 10 units, one with %d: %s", async (available, store_id) => {
    await put("north");
    await stockLevel(side.url, "tea", "main", { available: 10 });
    await stockLevel(side.url, "tea", "north", { available });
    expect(await chosen()).toBe(store_id);
  });

  test("is the first by id of several with as much", async () => {
    for (const store_id of ["zoo", "alp", "bay"]) await put(store_id);
    for (const store_id of ["zoo", "alp", "bay", "main"]) {
      await stockLevel(side.url, "tea", store_id, { available: 2 });
    }
    expect(await chosen()).toBe("alp");
  });

  // Else ten products in a row would all go to one store, since the ledger hears of each a moment later.
  test("counts what was promised and is not recorded yet", async () => {
    await put("north");
    expect([await chosen(5), await chosen(3), await chosen(3), await chosen(1)]).toEqual([
      "main",
      "north",
      "north",
      "main",
    ]);
    await withoutPromises();
    expect(await chosen()).toBe("main");
  });

  test("may hold more units than a number of 32 bits counts", async () => {
    await put("north");
    await stockLevel(side.url, "tea", "main", { available: 999_999_999_999 });
    await stockLevel(side.url, "cup", "main", { available: 999_999_999_999 });
    await stockLevel(side.url, "tea", "north", { available: 999_999_999_999 });
    expect(await chosen()).toBe("north");
  });
});
