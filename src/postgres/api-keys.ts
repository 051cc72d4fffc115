import { newApiKey } from "../domain/api-key.ts";
import type { Role } from "../domain/roles.ts";
import type { Pool } from "./client.ts";
import { inTransaction, type Transaction } from "./transaction.ts";

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

/** What was asked for can't be done; the message says why. */
export class ApiKeyRefused extends Error {
  override name = "ApiKeyRefused";
}

/**
 * @param wish.expires_in_ms null: it has no end
 * @throws ApiKeyRefused when a live key has that name, or there are too many
 */
export async function createApiKey(
  pool: Pool,
  wish: { name: string; roles: Role[]; customer: string | null; expires_in_ms: number | null },
): Promise<NewApiKey> {
  return alone(pool, async (transaction, changed) => {
    const { rows } = await transaction.query<{ count: number; is_taken: boolean }>(
      `select count(*), coalesce(bool_or(name = $1 and replaced_at is null), false) as is_taken
       from api_keys where ${IS_LIVE}`,
      [wish.name],
    );
    const [{ count, is_taken } = { count: 0, is_taken: false }] = rows;
    if (is_taken)
      throw new ApiKeyRefused(`There is a key named ${wish.name}: rotate or revoke it.`);
    if (count >= LIVE_KEYS_MAX) throw new ApiKeyRefused(`There are ${LIVE_KEYS_MAX} keys already.`);
    // One that has expired would keep its name for ever.
    await transaction.query(
      "update api_keys set revoked_at = expires_at where name = $1 and revoked_at is null and expires_at <= now()",
      [wish.name],
    );
    return insert(transaction, changed, wish);
  });
}

/**
 * Gives the name a new key, with the same roles, customer and lifetime. The old one ends after the overlap.
 * @throws ApiKeyRefused when no live key has that name
 */
export async function rotateApiKey(
  pool: Pool,
  name: string,
  overlap_ms: number,
): Promise<NewApiKey> {
  return alone(pool, async (transaction, changed) => {
    const { rows } = await transaction.query<ApiKey>(
      `select ${COLUMNS} from api_keys where name = $1 and replaced_at is null and ${IS_LIVE}`,
      [name],
    );
    const [old] = rows;
    if (!old) throw noSuchKey(name);
    await transaction.query(
      `update api_keys set changed = $3, replaced_at = now(),
         expires_at = least(expires_at, now() + make_interval(secs => $2::float8 / 1000))
       where key_id = $1`,
      [old.key_id, overlap_ms, changed],
    );
    const { roles, customer, created_at, expires_at } = old;
    const expires_in_ms = expires_at && expires_at.getTime() - created_at.getTime();
    return insert(transaction, changed + 1, { name, roles, customer, expires_in_ms });
  });
}

/**
 * Ends every live key of that name, those in their overlap among them. Returns how many.
 * @throws ApiKeyRefused when there is none
 */
export async function revokeApiKeys(pool: Pool, name: string): Promise<number> {
  return alone(pool, async (transaction, changed) => {
    const { rowCount } = await transaction.query(
      `with mine as (
         select key_id, row_number() over (order by key_id) - 1 as place
         from api_keys where name = $1 and ${IS_LIVE}
       )
       update api_keys set revoked_at = now(), changed = $2 + mine.place
       from mine where mine.key_id = api_keys.key_id`,
      [name, changed],
    );
    if (!rowCount) throw noSuchKey(name);
    return rowCount;
  });
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

const noSuchKey = (name: string) => new ApiKeyRefused(`There is no live key named ${name}.`);

// One writer at a time: were a later change committed before an earlier one, whoever looks at the greatest
// number would never learn of the earlier one.
async function alone<T>(
  pool: Pool,
  work: (transaction: Transaction, changed: number) => Promise<T>,
): Promise<T> {
  return inTransaction(pool, async (transaction) => {
    await transaction.query("lock table api_keys in share row exclusive mode");
    const { rows } = await transaction.query<{ next: number }>(
      "select coalesce(max(changed), 0) + 1 as next from api_keys",
    );
    return work(transaction, rows[0]?.next ?? 1);
  });
}

async function insert(
  transaction: Transaction,
  changed: number,
  wish: Parameters<typeof createApiKey>[1],
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
