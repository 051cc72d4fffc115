import type { Config } from "../../config.ts";
import type { Log } from "../../log.ts";
import type { Permits } from "../../redis/permits.ts";
import { createBuckets } from "./buckets.ts";
import { createLimits, type Limits, type Rates } from "./limits.ts";

/** Which part of a request's time its limits may take: the rest is for what it came for. */
const WAIT_PART_MAX = 0.25;

export const ratesOf = (config: Config): Rates => ({
  caller: config.RATE_LIMIT_PER_CALLER,
  customer: config.RATE_LIMIT_PER_CUSTOMER,
  address: config.RATE_LIMIT_BAD_TOKENS,
});

/** The limits of these rates. Null when there is none: then they cost nothing. */
export function createRateLimits(deps: {
  permits: Permits;
  log: Log;
  request_budget_ms: number;
  rates: Rates;
}): Limits | null {
  const { permits, log, request_budget_ms, rates } = deps;
  if (Object.values(rates).every((rate) => rate === null)) return null;
  const { take } = permits;
  const wait_ms_max = request_budget_ms * WAIT_PART_MAX;
  return createLimits(createBuckets({ take, log, wait_ms_max }), rates);
}
