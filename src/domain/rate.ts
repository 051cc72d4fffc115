/** A token bucket: it holds `burst` permits when full, and `per_second` come in. */
export type Rate = { per_second: number; burst: number };

export const PER_SECOND_MIN = 0.01;
export const PER_SECOND_MAX = 100_000;
export const BURST_MAX = 1_000_000;
/** What a full bucket has when nobody says: two seconds' worth. */
export const usualBurst = (per_second: number) => Math.max(1, Math.ceil(2 * per_second));

/** After so many µs there is one permit more. */
export const intervalUs = ({ per_second }: Rate) => Math.round(1_000_000 / per_second);

export const isRate = ({ per_second, burst }: Rate) =>
  per_second >= PER_SECOND_MIN && per_second <= PER_SECOND_MAX && burst <= BURST_MAX;
