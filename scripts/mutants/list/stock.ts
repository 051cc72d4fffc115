import type { Mutant } from "../mutant.ts";

const CHANGE = ["test/lua/change-stocks.test.ts", "test/lua/stock-scripts.test.ts"];
const TRANSFER = ["test/lua/transfer-stock.test.ts", "test/lua/stock-scripts.test.ts"];
const PURCHASE = ["test/lua/create-purchases.test.ts", "test/lua/purchase-policies.test.ts"];

/** The scripts that change stock by hand, and those that pick a store. */
export const STOCK: Mutant[] = [
  {
    name: "adjusted-below-zero",
    breaks: "an adjustment takes more than there is",
    promise: "G1",
    file: "lua/change_stocks.lua",
    text: "if stock.available + delta < 0 then",
    instead: "if false then",
    tests: CHANGE,
  },
  {
    name: "if-match",
    breaks: "a change is made though the stock is not at the version that was named",
    promise: "G1",
    file: "lua/change_stocks.lua",
    text: 'if change.if_version ~= "" and whole(change.if_version) ~= stock.version then',
    instead: "if false then",
    tests: CHANGE,
  },
  {
    name: "count-forgets-held",
    breaks: "a recount makes held units available as well",
    promise: "G1",
    file: "lua/change_stocks.lua",
    text: "math.max(0, change.units - stock.held) - stock.available",
    instead: "change.units - stock.available",
    tests: CHANGE,
  },
  {
    name: "transfer-unchecked",
    breaks: "more is moved than there is",
    promise: "G1",
    file: "lua/transfer_stock.lua",
    text: "if line.quantity > line.from.available then",
    instead: "if false then",
    tests: TRANSFER,
  },
  {
    name: "transfer-half",
    breaks: "units leave one store and never come to the other",
    promise: "G13",
    file: "lua/transfer_stock.lua",
    text: "change_stock(line.to, line.quantity, 0)",
    instead: "change_stock(line.to, 0, 0)",
    tests: TRANSFER,
  },
  {
    name: "transfer-not-summed",
    breaks: "each of two lines of one sku is checked alone",
    promise: "G1",
    file: "lua/transfer_stock.lua",
    text: "elseif by_stock[line.from_stock_key] then",
    instead: "elseif false then",
    tests: TRANSFER,
  },
  {
    name: "purchase-stays-held",
    breaks: "what was bought at once is held for ever",
    promise: "G6",
    file: "lua/create_purchases.lua",
    text: "change_stock(line.stock, -line.quantity, 0)",
    instead: "change_stock(line.stock, -line.quantity, line.quantity)",
    tests: PURCHASE,
  },
  {
    name: "purchase-from-too-little",
    breaks: "a purchase is made from a store that has not enough",
    promise: "G1",
    file: "lua/lib/pick.lua",
    text: "if free_units(offer.stock) >= purchase.quantity then",
    instead: "if free_units(offer.stock) >= 1 then",
    tests: PURCHASE,
  },
  {
    name: "new-store-unseen",
    breaks: "a purchase leaves out stores that have come since the caller looked",
    promise: "G1",
    file: "lua/create_purchases.lua",
    text: 'if count_stores(purchase.stores_key) ~= purchase.stores_seen then return { "STALE_STORES" } end',
    instead: "",
    tests: PURCHASE,
  },
];
