/** Why somebody changes a stock by hand. */
export const ADJUSTMENT_REASONS = [
  "sale",
  "damage",
  "count",
  "manual",
  "receipt",
  "return",
] as const;

/** Why a reservation of /v1 is given back. */
export const CANCEL_REASONS = ["timeout", "user_cancel", "payment_failed"] as const;
