import type { Redis } from "ioredis";
import type pg from "pg";
import { keptRulesText } from "../../src/domain/rules.ts";
import { countsOfCustomers, RULES_COLUMNS, rulesOf } from "../../src/postgres/rules-row.ts";
import { PLACE_FIELD } from "../../src/redis/counts.ts";
import { createKeys } from "../../src/redis/keys.ts";

const keys = createKeys("main");

/** A part of compareBooks: what rules there are, and what customers have of the skus that are counted. */
export async function compareRules(redis: Redis, postgres: pg.Client): Promise<string[]> {
  const rules = await rulesRows(postgres);
  const { [PLACE_FIELD]: place = 0, ...counts } = await redis.hgetall(keys.customers);
  const customers = await customersRows(postgres, Number(place));
  return [
    ...differences("rules", withoutRemoved(await redis.hgetall(keys.rules)), withoutRemoved(rules)),
    ...differences("count", counts, customers),
  ];
}

async function rulesRows(postgres: pg.Client): Promise<Record<string, string>> {
  const { rows } = await postgres.query(`select sku, ${RULES_COLUMNS} from sale_rules`);
  return Object.fromEntries(rows.map(({ sku, ...row }) => [sku, keptRulesText(rulesOf(row))]));
}

// Without what Redis was not told yet.
async function customersRows(postgres: pg.Client, place: number): Promise<Record<string, string>> {
  const { rows } = await postgres.query(
    `select sku, user_id, coalesce(counts.units, 0) - coalesce(base_units, 0) as units,
       coalesce(counts.active, 0) - coalesce(base_active, 0) as active
     from (${countsOfCustomers("in (select sku from sale_rules where counts)")}) as counts
     full join (
       select sku, user_id, sum(units) as base_units, sum(active) as base_active
       from customer_bases where place > $1 group by sku, user_id
     ) as base using (sku, user_id)`,
    [place],
  );
  const some = rows.filter(({ units, active }) => Number(units) !== 0 || Number(active) !== 0);
  return Object.fromEntries(
    some.map(({ sku, user_id, units, active }) => [`${sku} ${user_id}`, `${units} ${active}`]),
  );
}

/** Where rules were taken away and nobody is counted, Redis keeps nothing, or after a recovery just that. */
const withoutRemoved = (rules: Record<string, string>) =>
  Object.fromEntries(
    Object.entries(rules).filter(([, text]) => !/^version=\d+ removed=1$/.test(text)),
  );

function differences(
  what: string,
  here: Record<string, string>,
  there: Record<string, string>,
): string[] {
  return [...new Set([...Object.keys(here), ...Object.keys(there)])]
    .filter((name) => here[name] !== there[name])
    .map((name) => `${what} of ${name} is ${here[name]} in Redis, ${there[name]} in Postgres`);
}
