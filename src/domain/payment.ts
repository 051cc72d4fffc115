/** Why nothing could be given for a payment. */
export const WHYS = [
  "SOLD_OUT",
  "LIMIT_EXCEEDED",
  "HOLD_CANCELLED",
  "HOLD_ALREADY_CONFIRMED",
  "HOLD_NOT_FOUND",
] as const;
export type Why = (typeof WHYS)[number];

/** What people did about it: the money went back, or the goods were sent after all. */
export const RESOLUTIONS = ["refunded", "fulfilled"] as const;
export type Resolution = (typeof RESOLUTIONS)[number];

/** Money that has moved for a hold whose units could not be sold any more. */
export type UnfulfilledPayment = {
  payment_id: string;
  hold_id: string;
  /** The caller's name of the payment. */
  payment_ref: string;
  why: Why;
  /** In ms. */
  occurred_at: number;
};
