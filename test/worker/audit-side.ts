import { until } from "../../scripts/until.ts";
import { openAudit } from "../../src/postgres/auditing.ts";
import { createPool } from "../../src/postgres/client.ts";
import { createAuditReader } from "../../src/redis/audit-reader.ts";
import { createRedis, untilReady } from "../../src/redis/client.ts";
import { createKeys } from "../../src/redis/keys.ts";
import { createSaleAuditReader } from "../../src/redis/sale-audit-reader.ts";
import { createStopped } from "../../src/redis/stopped.ts";
import { createStream } from "../../src/redis/stream.ts";
import { createAuditor } from "../../worker/auditor.ts";
import { createDriftStops } from "../../worker/drift-stops.ts";
import { keptLog } from "./parts.ts";
import { query } from "./query.ts";

type Reading = ReturnType<typeof createAuditReader>;

/**
 * Rounds after which everything was looked at twice since, wherever the audit was when it began. One less of
 * what limits sales: there the second look comes at once.
 */
const ROUNDS = 3;

/** The auditor as the worker's main.ts builds it, but without rests, to be run turn by turn. */
export async function openAuditor({
  redisUrl,
  databaseUrl,
  pauses = false,
  share = 1,
  changeReading = (reading) => reading,
}: {
  redisUrl: string;
  databaseUrl: string;
  pauses?: boolean;
  share?: number;
  /** Lets a test come between the auditor and Redis. */
  changeReading?: (reading: Reading) => Reading;
}) {
  const kept = keptLog();
  const keys = createKeys("main");
  const redis = createRedis(redisUrl, kept.log);
  await untilReady(redis);
  const stopped = createStopped(redis, keys);
  const pool = createPool(databaseUrl, kept.log);
  const auditor = createAuditor({
    openAudit: () => openAudit(databaseUrl, 0),
    readStocks: changeReading(createAuditReader(redis, keys)),
    sales: createSaleAuditReader(redis, keys, "main"),
    keepStops: createDriftStops({
      stopped,
      pauses,
      redisNow: createStream(redis, keys).now,
      log: kept.log,
    }),
    ...{ share, rest_ms_min: 0, round_every_ms: 0, open_every_ms: 0 },
    log: kept.log,
  });

  const rounds = async () => {
    const { rows } = await pool.query<{ rounds: number }>(
      "select least(rounds, sale_rounds + 1)::int as rounds from audit_progress",
    );
    return rows[0]?.rounds ?? 0;
  };

  /** Runs turns until every stock was looked at twice. Faults rise. */
  async function lookAround(): Promise<void> {
    const before = await rounds();
    await until(
      "all stocks were looked at twice",
      async () => {
        for (let turns = 0; turns < 10; turns += 1) await auditor.runOnce();
        return (await rounds()) >= before + ROUNDS ? true : undefined;
      },
      30_000,
    );
  }

  async function close() {
    await auditor.close();
    await pool.end();
    redis.disconnect();
  }
  return {
    ...kept,
    runOnce: auditor.runOnce,
    closeAudit: auditor.close,
    stopped,
    rounds,
    lookAround,
    close,
  };
}

export type Drifting = { sku: string; store_id: string; kind: string };

/** What the audit tells of at the moment, by stock. */
export const openFindings = (databaseUrl: string) =>
  query<Drifting>(
    databaseUrl,
    "select sku, store_id, kind from audit_findings where gone_at is null order by sku, store_id",
  );

/** Everything it has ever told of. */
export const allFindings = (databaseUrl: string) =>
  query<Drifting>(
    databaseUrl,
    "select sku, store_id, kind from audit_findings order by finding_id",
  );
