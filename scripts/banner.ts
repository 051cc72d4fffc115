import { DEMO_SKU } from "./demo-stock.ts";
import { type StackConfig, stackUrls } from "./stack-config.ts";
import type { StackFiles } from "./stack-files.ts";

/** What a person needs once everything is ready: where it is, and lines that work as they stand. */
export function describeStack(config: StackConfig, files: StackFiles, toStop: string): string {
  const { API_URL, WORKER_URL } = stackUrls(config);
  // A URL that was given to us may hold a password, which belongs into no log.
  const redis = config.REDIS_URL === undefined ? stackUrls(config).REDIS_URL : '"$REDIS_URL"';
  const database =
    config.DATABASE_URL === undefined ? stackUrls(config).DATABASE_URL : '"$DATABASE_URL"';
  const reserve = `curl -s -X POST ${API_URL}/holds/reserve -H 'content-type: application/json'`;
  const token = config.AUTH === "off" ? "" : ' -H "Authorization: Bearer $HOLDFAST_TOKEN"';
  const make = "export HOLDFAST_TOKEN=$(npm run -s keys -- create --name me --role checkout)";
  const demo = { sku: DEMO_SKU, qty: 1, user_id: "u1", idempotency_key: "demo-1" };
  const sql = "select status, count(*) from holds group by status";
  return `
Holdfast is ready. ${toStop}

  API       ${API_URL}
  worker    ${WORKER_URL}/ready
  Redis     ${redis}
  Postgres  ${database}
  data      ${files.dir} (env holds all of this, log/ the logs)

Reserve a unit${config.AUTH === "keys" ? `, with a key of yours: ${make}` : ""}:
  ${reserve}${token} -d '${JSON.stringify(demo)}'

Look inside:
  redis-cli -u ${redis} get stock:${DEMO_SKU}
  redis-cli -u ${redis} xlen inventory.events
  ./scripts/sql "${sql}"
  psql ${database} -c "${sql}"
`;
}
