import { type SaleDrift, type SaleName, saleKeyOf } from "../domain/sale-audit.ts";
import type { LedgerMoment } from "./audit-rows.ts";
import { answers, type Connection, type Statement } from "./client.ts";
import {
  type LedgerSaid,
  readLedgerSaid,
  readMovedCustomers,
  readMovedSince,
  readSaleNames,
} from "./sale-audit-rows.ts";
import {
  closeSaleFindings,
  readOpenSales,
  readTold,
  type SaleFinding,
  writeRecounts,
  writeSaleFindings,
} from "./sale-findings.ts";

/** What both sides say of a name, and what is told of it so far. */
export type SaleLook = SaleName & {
  redis: string | null;
  /** Undefined when it can't be told, or may have moved since Redis was asked. */
  ledger: LedgerSaid;
  is_told: boolean;
  /** Somebody asked for its count to be put right. */
  recount: boolean;
};

type Send = (
  client: Connection,
  statements: Statement[],
) => Promise<{ name: string | undefined; rows: object[] }[]>;

/** The ledger's side of the audit of what limits sales, through the connection of whoever audits. */
export function createSaleAuditing(client: Connection, partition: number, inTransaction: Send) {
  /**
   * What the ledger says of names of one kind, beside what Redis said before it was at `seq`. It is the same
   * moment for all that has no event behind `newest_id`: what differs and has one is not told. Null as long
   * as not all up to `seq` is recorded.
   * @param redis.newest_id the newest event that was recorded before Redis was asked
   */
  async function look(
    kind: SaleDrift,
    of: SaleName[],
    redis: { seq: number; newest_id: number; place: number | null; said: (string | null)[] },
  ): Promise<{ moment: Moment; looks: SaleLook[] } | null> {
    // Sent together, and answered one behind the other.
    const [before, said, told] = await answers([
      readMoment(),
      readLedgerSaid(client, kind, of, redis),
      readTold(client, of),
    ]);
    if ((before?.applied_seq ?? 0) < redis.seq) return null;
    const differs = (i: number) => said[i] !== undefined && said[i] !== redis.said[i];
    const differing = of.filter((_, i) => differs(i));
    const [hasMoved, moment] = await answers([
      differing.length > 0 ? readMovedSince(client, redis.newest_id, differing) : () => false,
      // Behind all the rest: had a recovery begun before, it is seen here.
      readMoment(),
    ]);
    const looks = of.map((name, i) => ({
      ...name,
      redis: redis.said[i] ?? null,
      ledger: differs(i) && hasMoved(name) ? undefined : said[i],
      is_told: told.has(saleKeyOf(name)),
      recount: told.get(saleKeyOf(name))?.recount ?? false,
    }));
    return { moment, looks };
  }

  async function readMoment(): Promise<Moment> {
    const { rows } = await client.query<LedgerMoment & { is_open: boolean }>({
      name: "audit_moment",
      text: `select applied_seq, generation, coalesce(admissions.state, 'OPEN') = 'OPEN' as is_open
             from recorder_progress left join admissions using (partition) where partition = $1`,
      values: [partition],
    });
    return rows[0] ?? null;
  }

  /** Writes down what a look has come to. Returns what was not told before. */
  async function settle(done: {
    findings: (SaleFinding & { is_told: boolean })[];
    fine: SaleName[];
    recounts: SaleFinding[];
    generation: number;
    ends_round: boolean;
  }): Promise<SaleFinding[]> {
    const { findings, fine, recounts, generation, ends_round } = done;
    const writing = writeSaleFindings(findings);
    const statements = [
      ...closeSaleFindings(fine),
      ...writing,
      ...writeRecounts(partition, generation, recounts),
      ...(ends_round ? [countRound(partition)] : []),
    ];
    if (statements.length === 0) return [];
    const sent = await inTransaction(client, statements);
    const rows = sent.find(({ name }) => name === writing[0]?.name)?.rows ?? [];
    const written = new Set(rows.map((row) => saleKeyOf(row as SaleName))); // what it returns
    return findings.filter((of) => !of.is_told && written.has(saleKeyOf(of)));
  }

  return {
    names: () => readSaleNames(client),
    moved: (after: number, newest_id: number) => readMovedCustomers(client, after, newest_id),
    look,
    settle,
    readOpen: (count: number) => readOpenSales(client, count),
  };
}

type Moment = (LedgerMoment & { is_open: boolean }) | null;

const countRound = (partition: number): Statement => ({
  name: "audit_end_sale_round",
  text: `update audit_progress
         set sale_rounds = sale_rounds + 1, last_sale_round_ended_at = clock_timestamp()
         where partition = $1`,
  values: [partition],
});
