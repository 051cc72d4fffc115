import type { Counts } from "../domain/audit.ts";
import { stockOf } from "../domain/batch-plan.ts";
import { within } from "../within.ts";
import {
  closeFindings,
  type Finding,
  forgetFindings,
  readOpen,
  writeFindings,
} from "./audit-findings.ts";
import {
  keepAccounts,
  type LedgerLook,
  type LedgerMoment,
  readLooks,
  readMoved,
  type StockName,
} from "./audit-rows.ts";
import { answers, type Connection, connect, type Statement } from "./client.ts";
import { createSaleAuditing } from "./sale-auditing.ts";

/** First half of the advisory lock that whoever audits holds per partition. */
const AUDIT_LOCK = 4_063_255;
/** An auditor that hangs loses its session after this, and another goes on. One at work rests less. */
const SILENCE_MS_MAX = 120_000;
const CLOSE_MS_MAX = 2_000;
/** Of what moved last so much is looked at at once; what moved before is left to the round. */
const EVENTS_MAX = 2_000;

const SETTINGS = {
  idle_session_timeout: SILENCE_MS_MAX,
  // As in recording.ts: planned once, and by the index however small the tables are at that moment.
  plan_cache_mode: "force_generic_plan",
  enable_seqscan: "off",
  jit: "off",
  // What a crash takes of it is audited again.
  synchronous_commit: "off",
};

export type Audit = NonNullable<Awaited<ReturnType<typeof openAudit>>>;

/**
 * Becomes the one that audits a partition; null while another does. The lock belongs to the connection
 * through which all of this reads and writes.
 */
export async function openAudit(databaseUrl: string, partition: number) {
  const client = await connect(databaseUrl, {}, SETTINGS);
  let begun: Progress | null = null;
  try {
    const { rows } = await client.query<{ mine: boolean }>(
      "select pg_try_advisory_lock($1, $2) as mine",
      [AUDIT_LOCK, partition],
    );
    if (rows[0]?.mine) begun = await readProgress(client, partition);
  } finally {
    // Left open, it would keep the lock from everybody, itself included.
    if (!begun) await client.end();
  }
  if (!begun) return null;

  let progress = begun;

  /** The newest movement there is, and up to which seq all is recorded: Redis had all that before. */
  async function newest() {
    const { rows } = await client.query<LedgerMoment & { newest_id: number }>({
      name: "audit_newest",
      text: `select coalesce((select max(recorded_id) from processed_events), 0) as newest_id,
               applied_seq, generation
             from recorder_progress where partition = $1`,
      values: [partition],
    });
    return rows[0] ?? { newest_id: 0, applied_seq: 0, generation: 0 };
  }

  /** Stocks that have moved since this was last asked; when too many have, some of them. */
  async function moved(newest_id: number): Promise<StockName[]> {
    const after = Math.max(progress.recorded_id, newest_id - EVENTS_MAX);
    if (after >= newest_id) return [];
    const stocks = await readMoved(client, after, newest_id);
    progress.recorded_id = newest_id;
    return stocks;
  }

  /** The next stocks of the round, which begins anew behind its end. */
  async function nextOfRound(count: number): Promise<StockName[]> {
    if (!progress.is_in_round) {
      await client.query(beginRound(partition));
      progress = { ...progress, ...NEW_ROUND };
    }
    const { rows } = await client.query<StockName>({
      name: "audit_round",
      text: ROUND,
      values: [progress.last_sku, progress.last_store_id, count],
    });
    return rows;
  }

  /**
   * Looks at the ledger beside what Redis had at `seq`. Null as long as not all of that is recorded.
   * @param newest_id of before Redis was asked
   */
  async function look(
    stocks: (StockName & { redis: Counts | null })[],
    { seq, newest_id }: { seq: number; newest_id: number },
  ) {
    const { rows } = await client.query<{ is_recorded: boolean }>({
      name: "audit_recorded",
      text: "select applied_seq >= $2 as is_recorded from recorder_progress where partition = $1",
      values: [partition, seq],
    });
    if (!rows[0]?.is_recorded) return null;
    return readLooks(client, partition, stocks, newest_id);
  }

  /**
   * Writes down what a look has come to, and how far the round is. Returns what was not told before.
   * @param done.round the stocks were the next ones of the round; LAST: there is none behind them
   */
  async function settle(done: {
    looks: LedgerLook[];
    findings: Finding[];
    fine: StockName[];
    round: "NO" | "NEXT" | "LAST";
  }): Promise<Finding[]> {
    const { looks, findings, fine, round } = done;
    const open = new Map(looks.map((of) => [stockOf(of), of.open_kind]));
    const changed = findings.filter((of) => open.get(stockOf(of)) !== of.kind);
    const gone = [...fine, ...changed].filter((of) => open.get(stockOf(of)));
    const writing = writeFindings(findings);
    const last = looks.at(-1);
    if (round === "NEXT" && last) {
      progress = { ...progress, last_sku: last.sku, last_store_id: last.store_id };
    }
    if (round === "LAST") progress = { ...progress, is_in_round: false };
    const sent = await inTransaction(client, [
      ...keepAccounts(looks),
      ...closeFindings(gone),
      ...writing,
      moveProgress(partition, progress, round, looks.length),
      ...(round === "LAST" ? [forgetFindings()] : []),
    ]);
    const index = sent.findIndex(({ name }) => name === writing[0]?.name);
    const written = new Set((sent[index]?.rows ?? []).map(stockOf));
    return changed.filter((of) => written.has(stockOf(of)));
  }

  return {
    newest,
    moved,
    nextOfRound,
    look,
    settle,
    readOpen: () => readOpen(client),
    sales: createSaleAuditing(client, partition, inTransaction),
    /** How long ago the last round of the stocks and that of the sales ended, in s; null: none ever has. */
    roundAges: async () => {
      const { rows } = await client.query<RoundAges>({
        name: "audit_round_ages",
        text: `select ${ageOf("last_round_ended_at")} as stocks, ${ageOf("last_sale_round_ended_at")} as sales
               from audit_progress where partition = $1`,
        values: [partition],
      });
      return rows[0] ?? { stocks: null, sales: null };
    },
    /** Waits no longer than it must: the other side of a dead connection never says goodbye. */
    close: () => within(CLOSE_MS_MAX, client.end()),
  };
}

type RoundAges = { stocks: number | null; sales: number | null };

const ageOf = (moment: string) => `extract(epoch from clock_timestamp() - ${moment})::float8`;

// A level without movements, or movements without a level, is looked at too.
const ROUND = `
  select sku, store_id
  from (
    (select sku, store_id from stock_levels where (sku, store_id) > ($1, $2)
     order by sku, store_id limit $3)
    union
    (select sku, store_id from audited_stocks where (sku, store_id) > ($1, $2)
     order by sku, store_id limit $3)
  ) as next
  order by sku, store_id limit $3`;

type Progress = {
  recorded_id: number;
  is_in_round: boolean;
  last_sku: string;
  last_store_id: string;
};
const NEW_ROUND = { is_in_round: true, last_sku: "", last_store_id: "" };

async function readProgress(client: Connection, partition: number): Promise<Progress> {
  await client.query(
    "insert into audit_progress (partition) values ($1) on conflict (partition) do nothing",
    [partition],
  );
  const { rows } = await client.query<Progress>(
    `select recorded_id, round_began_at is not null as is_in_round, last_sku, last_store_id
     from audit_progress where partition = $1`,
    [partition],
  );
  const [progress] = rows;
  if (!progress) throw new Error(`The row of partition ${partition} in audit_progress is gone.`);
  return progress;
}

const beginRound = (partition: number): Statement => ({
  name: "audit_begin_round",
  text: `update audit_progress
         set round_began_at = clock_timestamp(), round_stocks = 0, last_sku = '', last_store_id = ''
         where partition = $1`,
  values: [partition],
});

const moveProgress = (
  partition: number,
  progress: Progress,
  round: "NO" | "NEXT" | "LAST",
  stocks: number,
): Statement => ({
  name: round === "LAST" ? "audit_end_round" : "audit_move",
  text: `update audit_progress
         set looked_at = clock_timestamp(), recorded_id = $2, last_sku = $3, last_store_id = $4,
           round_stocks = round_stocks + $5${round === "LAST" ? END_ROUND : ""}
         where partition = $1`,
  values: [
    ...[partition, progress.recorded_id, progress.last_sku, progress.last_store_id],
    round === "NO" ? 0 : stocks,
  ],
});
const END_ROUND = `, rounds = rounds + 1, round_began_at = null, last_round_began_at = round_began_at,
  last_round_ended_at = clock_timestamp(), last_round_stocks = round_stocks + $5`;

// Sent together. What fails takes the rest with it: Postgres takes the commit for a rollback then.
async function inTransaction(client: Connection, statements: Statement[]) {
  const sent = ["begin", ...statements, "commit"].map((statement) =>
    client.query<StockName>(statement),
  );
  try {
    const all = await answers(sent);
    return statements.map(({ name }, i) => ({ name, rows: all[i + 1]?.rows ?? [] }));
  } catch (error) {
    await client.query("rollback").catch(() => {}); // a lost connection has rolled back by itself
    throw error;
  }
}
