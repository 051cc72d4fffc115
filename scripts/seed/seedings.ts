import type { Connection } from "../../src/postgres/client.ts";
import type { ProductCells } from "./catalogue-line.ts";

/** First half of the advisory lock on a file; the second comes from its hash. */
const SEEDING_LOCK = 4_063_253;
/** An hour less than Redis knows a key. */
const KEYS_KNOWN_HOURS = 23;

export type Seeding = {
  /** Which time it is that this file is seeded: from the second one on somebody has asked for it. */
  run: number;
  /** Each line up to this one is decided, for ever. */
  lines_done: number;
  /** Each line up to this one may be: whoever goes on asks by its key. Their products are written. */
  lines_begun: number;
  /** Redis may have forgotten the keys. */
  keys_forgotten: boolean;
  finished_at: Date | null;
};

/**
 * How far a file was seeded: not at all when it never was, or when somebody wants it `again`. The lock is the
 * connection's, so whoever has lost it can't write here either.
 * @throws Error when somebody else is at it
 */
export async function openSeeding(
  client: Connection,
  sha256: string,
  again: boolean,
): Promise<Seeding> {
  const lock = Buffer.from(sha256, "hex").readInt32BE();
  const locked = await client.query<{ ours: boolean }>(
    "select pg_try_advisory_lock($1, $2) as ours",
    [SEEDING_LOCK, lock],
  );
  if (!locked.rows[0]?.ours) throw new Error("somebody else is seeding this file at this moment");
  await client.query(
    `insert into seedings (file_sha256) values ($1)
     on conflict (file_sha256) do update
     set run = seedings.run + 1, lines_done = 0, lines_begun = 0, finished_at = null
     where $2`,
    [sha256, again],
  );
  const { rows } = await client.query<Seeding>(
    `select run, lines_done, lines_begun, finished_at,
       begun_at < now() - make_interval(hours => $2) as keys_forgotten
     from seedings where file_sha256 = $1`,
    [sha256, KEYS_KNOWN_HOURS],
  );
  const [row] = rows;
  if (!row) throw new Error("the row of this seeding is gone");
  return row;
}

/**
 * Writes products, and down that the lines up to `begun` may take effect from now on. Both or neither: so
 * products that somebody changes after a crash are not changed back.
 * @returns how many products were made or changed
 */
export async function beginLines(
  client: Connection,
  sha256: string,
  { done, begun, products }: { done: number; begun: number; products: ProductCells[] },
): Promise<number> {
  const column = <Name extends keyof ProductCells>(name: Name) => products.map((p) => p[name]);
  const { rows } = await client.query<{ written: number }>({
    name: "begin_lines",
    text: `with cells as (
             select * from unnest($4::text[], $5::text[], $6::text[], $7::numeric[], $8::text[], $9::text[])
               as cells (sku, name, description, price, category, location)
           ),
           written as (
             insert into products (sku, name, description, price, category, location)
             select * from cells order by sku
             on conflict (sku) do update
             set name = excluded.name,
               description = coalesce(excluded.description, products.description),
               price = coalesce(excluded.price, products.price),
               category = coalesce(excluded.category, products.category),
               location = coalesce(excluded.location, products.location),
               version = products.version + 1, updated_at = now()
             where (products.name, products.description, products.price, products.category, products.location)
               is distinct from (
                 excluded.name, coalesce(excluded.description, products.description),
                 coalesce(excluded.price, products.price), coalesce(excluded.category, products.category),
                 coalesce(excluded.location, products.location))
             returning 1
           )
           update seedings set lines_done = $2, lines_begun = $3, begun_at = now()
           where file_sha256 = $1
           returning (select count(*) from written) as written`,
    values: [
      sha256,
      done,
      begun,
      column("sku"),
      column("name"),
      column("description"),
      column("price"),
      column("category"),
      column("location"),
    ],
  });
  return rows[0]?.written ?? 0;
}

/** Writes down how far all is decided, when nothing is in flight. */
export async function endLines(
  client: Connection,
  sha256: string,
  { done, finished }: { done: number; finished: boolean },
): Promise<void> {
  await client.query(
    `update seedings set lines_done = $2, lines_begun = greatest(lines_begun, $2),
       finished_at = case when $3 then now() end
     where file_sha256 = $1`,
    [sha256, done, finished],
  );
}

/** Which of these changes the ledger has, by their references. */
export async function findRecorded(
  client: Connection,
  changes: { sku: string; store_id: string; reference: string }[],
): Promise<Set<string>> {
  const { rows } = await client.query<{ reference: string }>(
    `select reference
     from unnest($1::text[], $2::text[], $3::text[]) as asked (sku, store_id, reference)
     where exists (
       select from stock_movements as movement
       where movement.sku = asked.sku and movement.store_id = asked.store_id
         and movement.reference = asked.reference
     )`,
    [
      changes.map(({ sku }) => sku),
      changes.map(({ store_id }) => store_id),
      changes.map(({ reference }) => reference),
    ],
  );
  return new Set(rows.map(({ reference }) => reference));
}
