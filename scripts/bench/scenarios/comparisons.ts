import { type HttpBooks, httpScenario } from "../http-scenario.ts";
import { POSTGRES_TABLES } from "../postgres-inventory.ts";

/** The same script without group commit. */
export const oneByOne = httpScenario({
  name: "one-by-one",
  what: "for comparison: accepted reserves of one SKU by the same script, called once per request",
  api: "ONE_BY_ONE",
  rows: [
    { label: "", clients: 64, skus: 1 },
    { label: "", clients: 256, skus: 1 },
  ],
  answers: { "/holds/reserve": 201 },
});

const postgresBooks: HttpBooks = {
  async open({ postgres }, skus, units) {
    await postgres.query(POSTGRES_TABLES);
    await postgres.query(
      "insert into bench_stock (sku, available) select sku, $2 from unnest($1::text[]) as sku",
      [skus, units],
    );
  },
  async countDecided({ postgres }) {
    const { rows } = await postgres.query("select count(*) as holds from bench_holds");
    return Number(rows[0].holds);
  },
  async compare({ postgres }, _skus, units) {
    const { rows } = await postgres.query(
      `select sku, available, coalesce(sum(quantity), 0) as held
       from bench_stock left join bench_holds using (sku)
       group by sku, available having available + coalesce(sum(quantity), 0) <> $1`,
      [units],
    );
    return rows.map(
      ({ sku, available, held }) => `of ${units} ${sku}, ${available} are available, ${held} held`,
    );
  },
};

/** What one would do without Redis. */
export const postgres = httpScenario({
  name: "postgres",
  what:
    "for comparison: accepted reserves of one SKU by one SQL statement (conditional update and insert), " +
    "a pool of 32, synchronous_commit on",
  api: "POSTGRES",
  rows: [
    { label: "", clients: 64, skus: 1 },
    { label: "", clients: 256, skus: 1 },
  ],
  answers: { "/holds/reserve": 201 },
  books: postgresBooks,
  cpu: ["api_us", "postgres_us"],
});
