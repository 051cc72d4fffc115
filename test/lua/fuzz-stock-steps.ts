import fc from "fast-check";
import {
  batchOf,
  deadline,
  FULL_SKU,
  fingerprint,
  hold_id,
  idem,
  quantity,
  REGISTERED,
  STORES,
  sku,
  step,
  user_id,
} from "./fuzz-world.ts";
import { returnRequest } from "./return-requests.ts";
import { newHold } from "./script-side.ts";
import {
  changeRequest,
  purchaseRequest,
  readStocksRequest,
  transferRequest,
} from "./stock-requests.ts";

const store_id = fc.constantFrom("main", "main", "north", "south", "west");
// Half of them with a key that others have, or hardly any would be asked twice.
const common = { deadline, fingerprint, idem: fc.oneof(fc.uuid(), idem) };
const more = REGISTERED + 1;
const stores_seen = fc.constantFrom<number | string>(
  ...[REGISTERED, REGISTERED, REGISTERED, more, more, "x"],
);

const change = fc
  .record({
    ...common,
    sku,
    store_id,
    operation: fc.constantFrom("ADJUST", "ADJUST", "COUNT", "COUNT", "GUESS"),
    units: fc.oneof(
      { weight: 9, arbitrary: fc.integer({ min: -4, max: 9 }).map((n): number | string => n) },
      { weight: 1, arbitrary: fc.constantFrom<number | string>("1.5", "x", 1_000_000_001) },
    ),
    if_version: fc.constantFrom<number | string>("", "", "", 0, 1, 2),
  })
  .map(changeRequest);

// Of what a store has nearly as many as it can have, above all.
const full = fc.oneof(sku, fc.constant(FULL_SKU));
const moved = fc.record({ sku: full, quantity });
const transfer = fc
  .record({
    ...common,
    from_store: store_id,
    to_store: store_id,
    lines: fc.array(moved, { minLength: 1, maxLength: 3 }),
  })
  .map(transferRequest);

const purchase = fc
  .record({
    ...common,
    sku,
    quantity,
    stores_seen,
    user_id,
    hold_id: fc.oneof(
      { weight: 4, arbitrary: fc.constant("").map(newHold) },
      { weight: 1, arbitrary: hold_id },
    ),
    policy: fc.constantFrom("highest-available", "lowest-latency", "round-robin", "any"),
  })
  .map((spec) => purchaseRequest({ ...spec, stores: STORES }));

const returned = fc
  .record({
    ...{ deadline, fingerprint, user_id },
    event_id: common.idem,
    restock: fc.constantFrom<boolean | string>(true, true, true, false, false, "yes"),
    lines: fc.array(fc.record({ sku, store_id, quantity }), { minLength: 1, maxLength: 3 }),
  })
  .map(returnRequest);

const read = fc
  .tuple(sku, stores_seen)
  .map(([name, seen]) => readStocksRequest(name, STORES, seen));

/** A call of the scripts about stock that is no hold. */
export const stockStep = fc.oneof(
  { weight: 3, arbitrary: step("change_stocks", batchOf(change, 4)) },
  { weight: 3, arbitrary: step("transfer_stock", batchOf(transfer, 3)) },
  { weight: 3, arbitrary: step("create_purchases", batchOf(purchase, 3)) },
  { weight: 2, arbitrary: step("return_units", batchOf(returned, 3)) },
  { weight: 1, arbitrary: step("read_stocks", batchOf(read, 3)) },
);
