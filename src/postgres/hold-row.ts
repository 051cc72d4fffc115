import type { Hold, HoldStatus } from "../domain/hold.ts";

export type HoldRow = {
  hold_id: string;
  status: HoldStatus;
  user_id: string;
  created_at: Date;
  expires_at: Date;
  ended_at: Date | null;
  order_id: string | null;
  payment_ref: string | null;
  version: number;
  late: boolean;
  partial: boolean;
  lines: Hold["lines"];
};

/** The lines of the hold that `table` names. */
export const linesOf = (table: string) => `(
  select json_agg(json_build_object('sku', sku, 'store_id', store_id, 'quantity', quantity)
    order by sku, store_id)
  from hold_lines where hold_lines.hold_id = ${table}.hold_id
) as lines`;

export const HOLD_COLUMNS = `holds.hold_id, status, user_id, created_at, expires_at, ended_at, order_id,
  payment_ref, version, late, partial, ${linesOf("holds")}`;

export const holdOf = (row: HoldRow): Hold => ({
  ...row,
  created_at: row.created_at.getTime(),
  expires_at: row.expires_at.getTime(),
  ended_at: row.ended_at?.getTime(),
  order_id: row.order_id ?? undefined,
  payment_ref: row.payment_ref ?? undefined,
  late: row.late || undefined,
  partial: row.partial || undefined,
});
