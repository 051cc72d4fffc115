import { ofWholeSku, SALE_DRIFT_KINDS, type SaleDrift } from "./sale-audit.ts";

/**
 * How both sides can disagree on a stock, and what it means. The first of these that is so is the one that is
 * told: those behind it may only follow from it.
 */
export const DRIFTS = {
  CORRUPT: "A key of the stock in Redis holds something else than it should.",
  LEDGER_SUM: "The ledger's level is not what the stock's movements add up to.",
  CONSERVATION: "Units came or went in the ledger that were neither stocked, adjusted nor sold.",
  REDIS_AHEAD: "Redis has changes of the stock that the ledger lacks, though all is recorded.",
  REDIS_BEHIND: "Redis has forgotten changes of the stock that it once decided.",
  HELD: "Redis counts other units as held than the stock's events have held.",
  CHANGED_OUTSIDE:
    "Other units are available than by the last event: somebody has set them by hand.",
} as const;
export type Drift = keyof typeof DRIFTS;
export const DRIFT_KINDS = Object.keys(DRIFTS) as Drift[]; // Object.keys forgets the literals

/** Of stocks and of what limits sales. */
export type AnyDrift = Drift | SaleDrift;
export const ALL_DRIFT_KINDS: AnyDrift[] = [...DRIFT_KINDS, ...SALE_DRIFT_KINDS];

/** Stock set by hand is a supported way in, so it is told but no alarm. */
export const isAlarm = (kind: AnyDrift) => kind !== "CHANGED_OUTSIDE";

/** An alarm that is about all of a sku. What is wrong with one customer is no reason to stop all others. */
export const stopsSale = (kind: AnyDrift) =>
  isAlarm(kind) && (DRIFT_KINDS.some((of_stock) => of_stock === kind) || ofWholeSku(kind));

/** A stock as one side has it. */
export type Counts = { available: number; held: number; version: number };

/** What movements add up to. Signed; `stocked` is what came from outside, EXTERNAL. */
export type Account = Counts & {
  stocked: number;
  adjusted: number;
  returned: number;
  sold: number;
  /** Part of `held`: changes of it that no event explains, though none is missing. */
  held_outside: number;
};

/** All that is known of a stock when its movements are compared with what Redis said a moment before. */
export type AuditLook = {
  /** Null when its keys can't be read. */
  redis: Counts | null;
  /** All its movements, added up; null when it never had one. */
  account: Account | null;
  level: Counts | null;
  /** The highest version that was recorded before Redis was asked. */
  known_version: number;
  /** What its movements add up to at Redis's version; null when none of them brought just that. */
  at_version: Pick<Account, "available" | "held" | "held_outside"> | null;
};

export type Disagreement = {
  kind: Drift;
  /** By the movements, at Redis's version where they have it. */
  ledger: Counts;
  level: Counts | null;
  redis: Counts | null;
};
/** UNKNOWN: the ledger has gone on, and what it was at Redis's version can't be told any more. */
type Verdict = Disagreement | "FINE" | "UNKNOWN";

export function judge(look: AuditLook): Verdict {
  const { redis, level, known_version } = look;
  const account = look.account ?? NOTHING;
  const ledger_version = Math.max(account.version, level?.version ?? 0);
  const disagreement = (
    kind: Drift,
    { available, held }: Pick<Counts, "available" | "held"> = account,
    version = ledger_version,
  ): Disagreement => ({ kind, ledger: { available, held, version }, level, redis });

  if (!redis) return disagreement("CORRUPT");
  // Nobody but redis-cli has ever touched it.
  if (!look.account && !level && redis.version === 0) return "FINE";
  if (!isSum(level, look.account)) return disagreement("LEDGER_SUM", account, account.version);
  const { stocked, adjusted, returned, sold, available, held } = account;
  if (stocked + adjusted + returned - sold !== available + held)
    return disagreement("CONSERVATION");
  if (redis.version > ledger_version) return disagreement("REDIS_AHEAD");
  if (redis.version < known_version) return disagreement("REDIS_BEHIND");

  const then = redis.version === ledger_version ? account : look.at_version;
  if (!then) return "UNKNOWN";
  const by_events = { available: then.available, held: then.held - then.held_outside };
  if (redis.held !== by_events.held) return disagreement("HELD", by_events, redis.version);
  if (redis.available !== by_events.available) {
    return disagreement("CHANGED_OUTSIDE", by_events, redis.version);
  }
  return "FINE";
}

// Movements from before they had versions leave the account's at 0; then the level's is the only one.
function isSum(level: Counts | null, account: Account | null): boolean {
  if (!level || !account) return !level && !account;
  if (account.version > 0 && account.version !== level.version) return false;
  return level.available === account.available && level.held === account.held;
}

const NOTHING: Account = {
  ...{ available: 0, held: 0, version: 0, held_outside: 0 },
  ...{ stocked: 0, adjusted: 0, returned: 0, sold: 0 },
};
