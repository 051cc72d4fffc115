import fc from "fast-check";
import { batchOf, deadline, fingerprint, idem, OUT_SKU, sku, step } from "./fuzz-world.ts";
import { cancelRequest } from "./script-side.ts";
import { changeRequest } from "./stock-requests.ts";
import { joinRequest, leaveRequest, newWaiter, offerRequest } from "./waiting-requests.ts";

const COUNT = 3;
const nth = fc.nat({ max: COUNT - 1 });
// What a waiter waits for follows from its number, so that who cancels its offer knows the lines.
const wishOf = (i: number) => ({ sku: OUT_SKU, quantity: 1 + i });
const some = (list: (number | string)[]) => fc.constantFrom(...list);
const keyed = fc.oneof(fc.uuid(), idem);

const known = nth.map((i) => ({ ...wishOf(i), waiter_id: `W-w${i}` }));
const other = fc
  .record({ sku, quantity: some([1, 1, 2, 9, 9, 0, 1001, "x"]) })
  .map((wish) => ({ ...wish, waiter_id: newWaiter() }));
const join = fc
  .record({
    wish: fc.oneof({ weight: 3, arbitrary: known }, { weight: 3, arbitrary: other }),
    user_id: fc.constantFrom("ada", "bob", "cyd", "dan", "eve"),
    offer_ms: some([1, 1, 60_000, 60_000, 86_400_000, 86_400_001, 0]),
    ...{ idem: keyed, fingerprint, deadline },
    store_id: fc.constantFrom("main", "main", "main", "north"),
  })
  .map(({ wish, ...rest }) => joinRequest({ ...rest, ...wish }));
const leave = fc
  .record({ i: nth, idem, fingerprint, deadline })
  .map(({ i, ...rest }) => leaveRequest({ ...rest, waiter_id: `W-w${i}` }));
const offer = fc.record({ sku, deadline }).map(offerRequest);
const restock = nth.map((i) => changeRequest({ sku: OUT_SKU, units: 3 + i }));
const cancel = nth.map((i) => cancelRequest({ hold_id: `H-w${i}`, lines: [wishOf(i)] }));

/** A call about who waits for stocks, or that cancels an offer. */
export const waitingStep = fc.oneof(
  { weight: 7, arbitrary: step("join_waiting", batchOf(join, 4)) },
  { weight: 6, arbitrary: step("leave_waiting", batchOf(leave, 4)) },
  { weight: 3, arbitrary: step("offer_stock", batchOf(offer, 3)) },
  { weight: 1, arbitrary: step("cancel_holds", batchOf(cancel, 3)) },
  { weight: 3, arbitrary: step("change_stocks", batchOf(restock, 1)) },
);
