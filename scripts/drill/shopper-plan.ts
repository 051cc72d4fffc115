import { createRandom } from "./random.ts";

/** What is sold: how many units there are of each product, in the order in which they go on sale. */
export type Offer = Map<string, number>;

/** How a shopper asks for units. */
export type Asking =
  | "ONCE"
  /** Gets an answer and asks the same again with the same key. */
  | "TWICE"
  /** Sends the same request twice at the same time. */
  | "DOUBLE_CLICK"
  /** Cuts the connection while the answer may be on its way, and asks again with the same key. */
  | "CUT_OFF";

export type Ending =
  | "PAY_AT_ONCE"
  | "PAY_IN_TIME"
  | "PAY_AT_THE_DEADLINE"
  | "PAY_LATE"
  | "ABANDON"
  | "CANCEL"
  /** In two windows at the same time: one of them wins. */
  | "PAY_AND_CANCEL";

export type ShopperPlan = {
  number: number;
  /** After the sale's opening. */
  comes_at_ms: number;
  product: string;
  units: number;
  ttl_seconds: number;
  asking: Asking;
  cut_after_ms: number;
  ending: Ending;
  /** From the answer to the ending; of those who pay late, from the deadline. */
  thinks_ms: number;
  ending_asking: Asking;
  ending_cut_after_ms: number;
  /** Under the same key asks for something else, which must be refused. */
  misuses_key: boolean;
  /** Tries the other ending, or another payment, once the hold has ended. */
  changes_mind: boolean;
  /** Asks once more when it was sold out: somebody may have given a unit back. */
  comes_back: boolean;
};

const UNITS_EACH = 25;

/** So many units, of as many products as make the last units of something scarce all the time. */
export function planOffer(units: number): Offer {
  const products = Math.ceil(units / UNITS_EACH);
  const each = Math.floor(units / products);
  return new Map(
    Array.from({ length: products }, (_, i) => [
      `product-${String(i + 1).padStart(2, "0")}`,
      each + (i < units % products ? 1 : 0),
    ]),
  );
}

export const ASKING: Record<Asking, number> = {
  ONCE: 60,
  TWICE: 10,
  DOUBLE_CLICK: 10,
  CUT_OFF: 20,
};
const ENDINGS: Record<Ending, number> = {
  PAY_AT_ONCE: 22,
  PAY_IN_TIME: 13,
  PAY_AT_THE_DEADLINE: 5,
  PAY_LATE: 15,
  ABANDON: 20,
  CANCEL: 15,
  PAY_AND_CANCEL: 10,
};
/** Longer than what lies between the hold and its payment, outages included; short enough to wait for. */
const PATIENT_TTL_SECONDS = 20;
/** A request takes some milliseconds: so it is cut off before, while and after it is carried out. */
export const CUT_AFTER_MS_MAX = 15;

/**
 * What a shopper is going to do, whatever the others do. One product after the other goes on sale, so that
 * at any time many want the last units of some; a few come for an earlier one, of which some came back.
 */
export function planShopper(
  number: number,
  sale: { seed: number; seconds: number; shoppers: number; offer: Offer },
): ShopperPlan {
  const random = createRandom(sale.seed, "shopper", number);
  const products = [...sale.offer.keys()];
  const when = (number + random.next()) / sale.shoppers;
  const newest = Math.min(Math.floor(when * products.length), products.length - 1);
  const wanted = random.chance(0.25) ? random.whole(0, newest) : newest;
  const ending = random.pick(ENDINGS);
  return {
    number,
    comes_at_ms: Math.round(when * sale.seconds * 1000),
    product: products[wanted] ?? "",
    units: random.chance(0.8) ? 1 : random.whole(2, 3),
    ttl_seconds: isShort(ending) ? random.whole(1, 2) : PATIENT_TTL_SECONDS,
    asking: random.pick(ASKING),
    cut_after_ms: random.between(0, CUT_AFTER_MS_MAX),
    ending,
    thinks_ms: Math.round(thinks(ending, random.next())),
    ending_asking: random.pick(ASKING),
    ending_cut_after_ms: random.between(0, CUT_AFTER_MS_MAX),
    misuses_key: random.chance(0.1),
    changes_mind: random.chance(0.2),
    comes_back: random.chance(0.2),
  };
}

const isShort = (ending: Ending) =>
  ending === "PAY_AT_THE_DEADLINE" || ending === "PAY_LATE" || ending === "ABANDON";

/** @param share from 0 to 1 of the longest time */
function thinks(ending: Ending, share: number): number {
  switch (ending) {
    case "PAY_AT_ONCE":
    case "ABANDON":
      return 0;
    case "PAY_AT_THE_DEADLINE":
      return -30 + 60 * share;
    case "PAY_LATE":
      return 50 + 950 * share;
    default:
      return 2_000 * share;
  }
}
