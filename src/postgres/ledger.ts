import type { Hold } from "../domain/hold.ts";
import type { KeptRules } from "../domain/rules.ts";
import type { Pool } from "./client.ts";
import { HOLD_COLUMNS, type HoldRow, holdOf } from "./hold-row.ts";
import { RULES_COLUMNS, type RulesRow, rulesOf } from "./rules-row.ts";

export type Ledger = ReturnType<typeof createLedger>;

/** Reads of what is recorded. All of them reject when Postgres can't be asked. */
export function createLedger(pool: Pool) {
  /** The hold as it was last recorded; null when the ledger doesn't know it (yet). */
  async function readHold(hold_id: string): Promise<Hold | null> {
    const { rows } = await pool.query<HoldRow>({
      name: "read_hold",
      text: `select ${HOLD_COLUMNS} from holds where hold_id = $1`,
      values: [hold_id],
    });
    const [row] = rows;
    return row ? holdOf(row) : null;
  }

  /** The newest hold of a customer with one of these skus that is recorded as active, if there is one. */
  async function readOwnHold(user_id: string, skus: string[]): Promise<string | null> {
    const { rows } = await pool.query<{ hold_id: string }>({
      name: "read_own_hold",
      text: `select hold_id from holds join hold_lines using (hold_id)
             where user_id = $1 and sku = any($2::text[]) and status = 'ACTIVE'
             order by hold_id desc limit 1`,
      values: [user_id, skus],
    });
    return rows[0]?.hold_id ?? null;
  }

  /** A sku's rules as they were last recorded; null when it never had any. */
  async function readRules(sku: string): Promise<KeptRules | null> {
    const { rows } = await pool.query<RulesRow>({
      name: "read_rules",
      text: `select ${RULES_COLUMNS} from sale_rules where sku = $1`,
      values: [sku],
    });
    const [row] = rows;
    return row ? rulesOf(row) : null;
  }

  /** How far a partition is recorded. */
  async function readProgress(
    partition = 0,
  ): Promise<{ applied_seq: number; applied_entry_id: string }> {
    const { rows } = await pool.query<{
      applied_seq: number;
      applied_entry_id: string;
    }>("select applied_seq, applied_entry_id from recorder_progress where partition = $1", [
      partition,
    ]);
    return rows[0] ?? { applied_seq: 0, applied_entry_id: "0-0" };
  }

  /**
   * Remembers how far Redis has counted, as long as that is more than is recorded: should Redis lose it, this
   * tells how many events are gone. Not of a Redis that was left behind by an admission.
   */
  async function noteSeen(seen: { seq: number; generation: number }, partition = 0): Promise<void> {
    await pool.query({
      name: "note_seen",
      text: `update recorder_progress set seen_seq = $2
             where partition = $1 and seen_seq < $2 and applied_seq < $2 and generation <= $3`,
      values: [partition, seen.seq, seen.generation],
    });
  }

  /** Makes the partitions of stock_movements for this month and the next ones. Returns how many. */
  async function makeMovementPartitions(months: number): Promise<number> {
    const { rows } = await pool.query<{ made: number }>(
      "select make_movement_partitions(current_date, $1) as made",
      [months],
    );
    return rows[0]?.made ?? 0;
  }

  async function ping(): Promise<void> {
    await pool.query("select 1");
  }

  return { readHold, readOwnHold, readRules, readProgress, noteSeen, makeMovementPartitions, ping };
}
