import type { Doer } from "../domain/deed.ts";
import type { HoldStatus, Line } from "../domain/hold.ts";
import type { Resolution, UnfulfilledPayment } from "../domain/payment.ts";
import { Rejection } from "../domain/rejection.ts";
import { keepDeed } from "./audit-log.ts";
import type { Pool } from "./client.ts";
import { type ListPage, pageOf } from "./history-page.ts";
import type { Transaction } from "./transaction.ts";

/** A payment that could not be fulfilled, and what was done about it. */
export type RecordedPayment = UnfulfilledPayment & {
  /** Of the hold as it was then: null when nobody knew it. */
  hold_status: HoldStatus | null;
  user_id: string | null;
  lines: Line[] | null;
  resolution: Resolution | null;
  reference: string | null;
  resolved_at: number | null;
};

type Row = Omit<RecordedPayment, "occurred_at" | "resolved_at"> & {
  occurred_at: Date;
  resolved_at: Date | null;
};

const COLUMNS = `payment_id, hold_id, payment_ref, why, occurred_at, hold_status, user_id, lines, resolution,
  reference, resolved_at`;

/** Payments that could not be fulfilled, as recorded. All of them reject when Postgres can't be asked. */
export function createUnfulfilled(pool: Pool) {
  /** Of a hold under the caller's name; null when there is none (yet). */
  async function findPayment(
    hold_id: string,
    payment_ref: string,
  ): Promise<RecordedPayment | null> {
    const { rows } = await pool.query<Row>({
      name: "find_unfulfilled_payment",
      text: `select ${COLUMNS} from unfulfilled_payments where hold_id = $1 and payment_ref = $2`,
      values: [hold_id, payment_ref],
    });
    const [row] = rows;
    return row ? paymentOf(row) : null;
  }

  async function readPayment(payment_id: string): Promise<RecordedPayment | null> {
    const { rows } = await pool.query<Row>({
      name: "read_unfulfilled_payment",
      text: `select ${COLUMNS} from unfulfilled_payments where payment_id = $1`,
      values: [payment_id],
    });
    const [row] = rows;
    return row ? paymentOf(row) : null;
  }

  /**
   * Newest first.
   * @param list.resolved only those that somebody has seen to, or only the others
   * @param list.before only those that are older than this payment: the `next` of the page before
   */
  async function listPayments({
    resolved,
    limit,
    before = ABOVE_ALL,
  }: {
    resolved?: boolean | undefined;
    limit: number;
    before?: string | undefined;
  }): Promise<ListPage<RecordedPayment, string>> {
    const those =
      resolved === undefined ? "" : `and resolution is ${resolved ? "not null" : "null"}`;
    const { rows } = await pool.query<Row>({
      text: `select ${COLUMNS} from unfulfilled_payments where payment_id < $1 ${those}
             order by payment_id desc limit $2`,
      values: [before, limit + 1],
    });
    return pageOf(rows.map(paymentOf), limit, ({ payment_id }) => payment_id);
  }

  /** How many nobody has seen to. */
  async function countOpen(): Promise<number> {
    const { rows } = await pool.query<{ open: number }>({
      name: "count_unfulfilled_payments",
      text: "select count(*)::int as open from unfulfilled_payments where resolution is null",
    });
    return rows[0]?.open ?? 0;
  }

  return { findPayment, readPayment, listPayments, countOpen };
}

const ABOVE_ALL = "Z";

/**
 * Says what was done about a payment. The same again changes nothing.
 * @throws Rejection NOT_FOUND, or PAYMENT_ALREADY_RESOLVED when something else was
 */
export async function resolvePayment(
  transaction: Transaction,
  payment_id: string,
  done: { resolution: Resolution; reference: string },
  by: Doer,
): Promise<{ resolved_at: number; again: boolean }> {
  const { rows } = await transaction.query<Row>({
    name: "lock_unfulfilled_payment",
    text: `select ${COLUMNS} from unfulfilled_payments where payment_id = $1 for update`,
    values: [payment_id],
  });
  const [payment] = rows.map(paymentOf);
  if (!payment) throw new Rejection("NOT_FOUND", "There is no such unfulfilled payment.");
  const { resolution, reference, resolved_at } = payment;
  if (resolved_at !== null) {
    if (resolution === done.resolution && reference === done.reference)
      return { resolved_at, again: true };
    throw new Rejection("PAYMENT_ALREADY_RESOLVED", `The payment was ${resolution} already.`, {
      payment_id,
      resolution,
      reference,
    });
  }
  const { rows: resolved } = await transaction.query<{ resolved_at: Date }>({
    name: "resolve_unfulfilled_payment",
    text: `update unfulfilled_payments
           set resolution = $2, reference = $3, resolved_at = date_trunc('milliseconds', now())
           where payment_id = $1 returning resolved_at`,
    values: [payment_id, done.resolution, done.reference],
  });
  const deed = {
    what: "PAYMENT_RESOLVED",
    subject: payment_id,
    before: null,
    after: done,
  } as const;
  await keepDeed(transaction, by, deed);
  return { resolved_at: resolved[0]?.resolved_at.getTime() ?? 0, again: false };
}

const paymentOf = (row: Row): RecordedPayment => ({
  ...row,
  occurred_at: row.occurred_at.getTime(),
  resolved_at: row.resolved_at?.getTime() ?? null,
});
