import type { LimitedSale } from "./limited-sale.ts";
import { createRandom } from "./random.ts";
import { ASKING, type Asking, CUT_AFTER_MS_MAX } from "./shopper-plan.ts";

/** What becomes of a hold. */
type CustomerEnding =
  | "PAY"
  /** Asks for more time, perhaps oftener than the rules allow, and pays. */
  | "EXTEND_AND_PAY"
  /** The money moves after the deadline. */
  | "PAY_LATE"
  | "PAY_A_PART"
  /** With two cards: one of them is too much. */
  | "PAY_TWICE"
  | "CANCEL_AND_PAY"
  | "CANCEL"
  | "ABANDON";

/** A customer who comes for a thing that is sold by rules; there are few of them, and they come often. */
export type CustomerPlan = {
  number: number;
  /** After the sale's opening. */
  comes_at_ms: number;
  user_id: string;
  sku: string;
  /** Sometimes more than the rules allow. */
  units: number;
  asking: Asking;
  cut_after_ms: number;
  ending: CustomerEnding;
  thinks_ms: number;
  ending_asking: Asking;
  ending_cut_after_ms: number;
  extensions: number;
  /** What comes back of an order. TOO_MUCH is more than was sold. */
  returns: "NOTHING" | "ONE" | "ONE_BY_ONE" | "TOO_MUCH";
  restock: boolean;
  /** When there are none left. */
  waits: boolean;
  patience_ms: number;
  offer_seconds: number;
  offer: "TAKE" | "TAKE_LATE" | "LEAVE" | "IGNORE";
  /** Who has no patience left says so, or just stays away. */
  leaves: boolean;
};

const CUSTOMERS = 30;
const ENDINGS: Record<CustomerEnding, number> = {
  PAY: 20,
  EXTEND_AND_PAY: 20,
  PAY_LATE: 18,
  PAY_A_PART: 6,
  PAY_TWICE: 6,
  CANCEL_AND_PAY: 4,
  CANCEL: 12,
  ABANDON: 14,
};
const RETURNS = { NOTHING: 45, ONE: 35, ONE_BY_ONE: 12, TOO_MUCH: 8 };
const OFFER = { TAKE: 50, TAKE_LATE: 10, LEAVE: 15, IGNORE: 25 };

/** What a customer does, whatever the others do. Most come for what opens next, or has just opened. */
export function planCustomer(
  number: number,
  { seed, ms, customers, sale }: CustomerSale,
): CustomerPlan {
  const random = createRandom(seed, "customer", number);
  const skus = [...sale.keys()];
  const when = (number + random.next()) / customers;
  const newest = Math.min(Math.floor(when * skus.length), skus.length - 1);
  const wanted = random.chance(0.25) ? random.whole(0, newest) : newest;
  return {
    number,
    comes_at_ms: Math.round(when * ms),
    user_id: `customer-${random.whole(1, CUSTOMERS)}`,
    sku: skus[wanted] ?? "",
    units: random.chance(0.7) ? 1 : random.whole(2, 3),
    asking: random.pick(ASKING),
    cut_after_ms: random.between(0, CUT_AFTER_MS_MAX),
    ending: random.pick(ENDINGS),
    thinks_ms: random.whole(0, 1_200),
    ending_asking: random.pick(ASKING),
    ending_cut_after_ms: random.between(0, CUT_AFTER_MS_MAX),
    extensions: random.whole(1, 3),
    returns: random.pick(RETURNS),
    restock: random.chance(0.75),
    waits: random.chance(0.6),
    patience_ms: random.whole(500, 6_000),
    offer_seconds: random.whole(1, 2),
    offer: random.pick(OFFER),
    leaves: random.chance(0.8),
  };
}

/** @param ms how long customers come */
export type CustomerSale = { seed: number; ms: number; customers: number; sale: LimitedSale };
