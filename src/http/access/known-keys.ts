import { timingSafeEqual } from "node:crypto";
import { parseApiKey } from "../../domain/api-key.ts";
import type { Log } from "../../log.ts";
import { monotonicNow } from "../../now.ts";
import { type LiveKey, readKeysVersion, readLiveKeys } from "../../postgres/api-keys.ts";
import type { Pool } from "../../postgres/client.ts";
import { CallerUnknowable } from "../problem.ts";
import { type Caller, knownCaller } from "./caller.ts";

/** Twice a second: so a change counts everywhere within one. */
const LOOK_MS = 500;
/** So seldom are all read again for one that has expired: by our clock alone, it may be read each time. */
const EXPIRED_LOOK_MS = 5_000;

/**
 * All live API keys, in memory: a request costs Postgres nothing, and while it is away the last known keys go
 * on, those that expire meanwhile excepted.
 * @param pool one of its own: no other read may keep a revocation waiting
 */
export function createKnownKeys({ pool, log }: { pool: Pool; log: Log }) {
  let known: Map<string, { key: LiveKey; caller: Caller }> | null = null;
  let version = -1;
  let expired_look_from = 0;
  let is_away = false;
  let is_stopped = false;
  let timer: NodeJS.Timeout | undefined;

  async function look(): Promise<void> {
    // Asked for first: what changes in between is seen by the next look.
    const newest = await readKeysVersion(pool);
    // Nothing changes in the database when one expires. Which have, Postgres says: our clock may be wrong.
    const asks_for_expired = monotonicNow() >= expired_look_from && hasExpired();
    if (newest === version && !asks_for_expired) return;
    if (asks_for_expired) expired_look_from = monotonicNow() + EXPIRED_LOOK_MS;
    const keys = await readLiveKeys(pool);
    known = new Map(keys.map((key) => [key.key_id, { key, caller: callerWith(key) }]));
    version = newest;
  }

  const hasExpired = () => known?.values().some(({ key }) => isExpired(key)) ?? false;

  async function lookAgainAndAgain(): Promise<void> {
    try {
      await look();
      if (is_away) log.info("API keys can be read again");
      is_away = false;
    } catch (err) {
      if (!is_away && !is_stopped)
        log.warn({ err }, "API keys can't be read: the known ones go on");
      is_away = true;
    }
    if (!is_stopped) timer = setTimeout(lookAgainAndAgain, LOOK_MS);
  }

  return {
    /** Resolves after the first look, also when that has failed. */
    start: lookAgainAndAgain,
    stop() {
      is_stopped = true;
      clearTimeout(timer);
    },
    /**
     * Who has this key; null when it is none, or no more.
     * @throws CallerUnknowable when no key could be read since this process began
     */
    callerOf(token: string): Caller | null {
      if (!known) throw new CallerUnknowable("The API keys could not be read yet.");
      const given = parseApiKey(token);
      const found = given && known.get(given.key_id);
      if (!found || !timingSafeEqual(given.secret_hash, found.key.secret_hash)) return null;
      return isExpired(found.key) ? null : found.caller;
    },
    /** How many are in memory. */
    count: () => known?.size ?? 0,
  };
}

const isExpired = ({ expires_at }: LiveKey) =>
  expires_at !== null && expires_at.getTime() <= Date.now();

const callerWith = ({ name, roles, customer }: LiveKey) =>
  knownCaller({ kind: "keys", name, roles, customer: customer ?? undefined });
