import { newApiKey } from "../domain/api-key.ts";
import type { Deed, Doer } from "../domain/deed.ts";
import { Rejection } from "../domain/rejection.ts";
import type { Role } from "../domain/roles.ts";
import { keepDeed } from "./audit-log.ts";
import type { Pool } from "./client.ts";
import type { Transaction } from "./transaction.ts";

/** How many live keys there may be: every API process has all of them in memory. */
const LIVE_KEYS_MAX = 10_000;
const LISTED_MAX = 1_000;

/** What is known of a key. Its secret is not. */
export type ApiKey = {
  key_id: string;
  /** Who calls with it, in logs and idempotency keys. A rotation keeps it. */
  name: string;
  roles: Role[];
  /** The only customer it may act for; null for all. */
  customer: string | null;
  created_at: Date;
  expires_at: Date | null;
  /** When a rotation gave its name to a new key. */
  replaced_at: Date | null;
  revoked_at: Date | null;
};

/** A key as it was just made: the only moment at which its token is known. */
export type NewApiKey = { key: ApiKey; token: string };

/** By its name: the newest of that name, or all that are live. By its id: only that one. */
export type WhichKey = { name: string } | { key_id: string };

export type KeyWish = {
  name: string;
  roles: Role[];
  customer: string | null;
  /** Null: it has no end. */
  expires_in_ms: number | null;
};

// Each of these changes keys in a transaction of the caller's, and writes down who did it.

/** @throws Rejection KEY_EXISTS when a live key has that name, or INVALID_REQUEST when there are too many */
export async function createApiKey(
  transaction: Transaction,
  wish: KeyWish,
  by: Doer,
): Promise<NewApiKey> {
  const changed = await nextChange(transaction);
  const { rows } = await transaction.query<{ count: number; is_taken: boolean }>(
    `select count(*), coalesce(bool_or(name = $1 and replaced_at is null), false) as is_taken
     from api_keys where ${IS_LIVE}`,
    [wish.name],
  );
  const [{ count, is_taken } = { count: 0, is_taken: false }] = rows;
  const { name } = wish;
  if (is_taken)
    throw new Rejection("KEY_EXISTS", `There is a key named ${name}: rotate or revoke it.`);
  if (count >= LIVE_KEYS_MAX)
    throw new Rejection("INVALID_REQUEST", `There are ${LIVE_KEYS_MAX} keys already.`);
  // One that has expired would keep its name for ever.
  await transaction.query(
    "update api_keys set revoked_at = expires_at where name = $1 and revoked_at is null and expires_at <= now()",
    [name],
  );
  const made = await insert(transaction, changed, wish);
  await keepKeys(transaction, by, "KEY_CREATED", [], [made.key]);
  return made;
}

/**
 * Gives the name a new key, with the same roles, customer and lifetime. The old one ends after the overlap.
 * @param check throws when the caller may not have such a key
 * @throws Rejection NOT_FOUND when no live key is the newest of its name, and that one
 */
export async function rotateApiKey(
  transaction: Transaction,
  which: WhichKey,
  overlap_ms: number,
  by: Doer,
  check: (old: ApiKey) => void = () => {},
): Promise<NewApiKey> {
  const changed = await nextChange(transaction);
  const [old] = await liveKeys(transaction, which, "replaced_at is null");
  if (!old) throw noSuchKey(which);
  check(old);
  const { rows } = await transaction.query<ApiKey>(
    `update api_keys set changed = $3, replaced_at = now(),
       expires_at = least(expires_at, now() + make_interval(secs => $2::float8 / 1000))
     where key_id = $1 returning ${COLUMNS}`,
    [old.key_id, overlap_ms, changed],
  );
  const { name, roles, customer, created_at, expires_at } = old;
  const expires_in_ms = expires_at && expires_at.getTime() - created_at.getTime();
  const made = await insert(transaction, changed + 1, { name, roles, customer, expires_in_ms });
  await keepKeys(transaction, by, "KEY_ROTATED", [old], [...rows, made.key]);
  return made;
}

/**
 * Ends every live key of a name, those in their overlap among them, or one by its id. Returns which.
 * @throws Rejection NOT_FOUND when there is none
 */
export async function revokeApiKeys(
  transaction: Transaction,
  which: WhichKey,
  by: Doer,
): Promise<ApiKey[]> {
  const changed = await nextChange(transaction);
  const live = await liveKeys(transaction, which);
  if (live.length === 0) throw noSuchKey(which);
  const { rows } = await transaction.query<ApiKey>(
    `update api_keys set revoked_at = now(), changed = $2 + array_position($1::text[], key_id) - 1
     where key_id = any($1) returning ${COLUMNS}`,
    [live.map(({ key_id }) => key_id), changed],
  );
  await keepKeys(transaction, by, "KEY_REVOKED", live, rows);
  return rows;
}

/** All that there are or were, the newest first. */
export async function listApiKeys(pool: Pool): Promise<ApiKey[]> {
  const { rows } = await pool.query<ApiKey>(
    `select ${COLUMNS} from api_keys order by created_at desc, key_id limit $1`,
    [LISTED_MAX],
  );
  return rows;
}

/** A number that is another one after each change of any key. */
export async function readKeysVersion(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ version: number }>({
    name: "read_keys_version",
    text: "select coalesce(max(changed), 0) as version from api_keys",
  });
  return rows[0]?.version ?? 0;
}

/** A key that a caller may have. */
export type LiveKey = Pick<ApiKey, "key_id" | "name" | "roles" | "customer" | "expires_at"> & {
  secret_hash: Buffer;
};

export async function readLiveKeys(pool: Pool): Promise<LiveKey[]> {
  const { rows } = await pool.query<LiveKey>({
    name: "read_live_keys",
    text: `select key_id, name, roles, customer, expires_at, secret_hash
           from api_keys where ${IS_LIVE}`,
  });
  return rows;
}

const IS_LIVE = "revoked_at is null and (expires_at is null or expires_at > now())";
const COLUMNS = "key_id, name, roles, customer, created_at, expires_at, replaced_at, revoked_at";

const noSuchKey = (which: WhichKey) =>
  new Rejection(
    "NOT_FOUND",
    "name" in which ? `There is no live key named ${which.name}.` : "There is no such live key.",
  );

// One writer at a time: were a later change committed before an earlier one, whoever looks at the greatest
// number would never learn of the earlier one.
async function nextChange(transaction: Transaction): Promise<number> {
  await transaction.query("lock table api_keys in share row exclusive mode");
  const { rows } = await transaction.query<{ next: number }>(
    "select coalesce(max(changed), 0) + 1 as next from api_keys",
  );
  return rows[0]?.next ?? 1;
}

async function liveKeys(
  transaction: Transaction,
  which: WhichKey,
  condition = "true",
): Promise<ApiKey[]> {
  const [column, value] = "name" in which ? ["name", which.name] : ["key_id", which.key_id];
  const { rows } = await transaction.query<ApiKey>(
    `select ${COLUMNS} from api_keys where ${column} = $1 and ${IS_LIVE} and ${condition}
     order by key_id`,
    [value],
  );
  return rows;
}

function keepKeys(
  transaction: Transaction,
  by: Doer,
  what: Deed["what"],
  before: ApiKey[],
  after: ApiKey[],
): Promise<void> {
  const subject = after[0]?.name ?? "";
  const keys = (of: ApiKey[]) => (of.length === 0 ? null : { keys: of });
  return keepDeed(transaction, by, { what, subject, before: keys(before), after: keys(after) });
}

async function insert(
  transaction: Transaction,
  changed: number,
  wish: KeyWish,
): Promise<NewApiKey> {
  const { key_id, secret_hash, token } = newApiKey();
  const { rows } = await transaction.query<ApiKey>(
    `insert into api_keys (key_id, name, secret_hash, roles, customer, expires_at, changed)
     values ($1, $2, $3, $4, $5, now() + make_interval(secs => $6::float8 / 1000), $7)
     returning ${COLUMNS}`,
    [key_id, wish.name, secret_hash, wish.roles, wish.customer, wish.expires_in_ms, changed],
  );
  const [key] = rows;
  if (!key) throw new Error("An insert returned no row.");
  return { key, token };
}
