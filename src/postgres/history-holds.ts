import type { Hold, HoldStatus } from "../domain/hold.ts";
import type { Pool, Statement } from "./client.ts";
import { type ListPage, pageOf } from "./history-page.ts";
import { HOLD_COLUMNS, type HoldRow, holdOf, linesOf } from "./hold-row.ts";
import { RETURNS_COLUMN, type ReturnedUnits } from "./returns.ts";

/** A hold that was sold. */
export type Order = {
  order_id: string;
  hold_id: string;
  /** Empty when nobody was named. */
  user_id: string;
  payment_ref: string | null;
  lines: Hold["lines"];
  returns: ReturnedUnits[];
  confirmed_at: number;
  /** Sold after the deadline of its hold. */
  late: boolean;
};

/** Filters of a list of holds: all that are given must fit. */
type HoldFilter = {
  user_id?: string | undefined;
  sku?: string | undefined;
  status?: HoldStatus | undefined;
};

/** Ids are made in order of time, so the newest are those that sort last. */
export function createHoldHistory(pool: Pool) {
  /**
   * Newest first, each as it was last recorded.
   * @param list.before only those that are older than this hold: the `next` of the page before
   */
  async function listHolds(
    list: HoldFilter & { limit: number; before?: string | undefined },
  ): Promise<ListPage<Hold, string>> {
    const { rows } = await pool.query<HoldRow>(holdsStatement(list));
    return pageOf(rows.map(holdOf), list.limit, ({ hold_id }) => hold_id);
  }

  /**
   * Newest first.
   * @param list.before only those that are older than this order: the `next` of the page before
   */
  async function listOrders({
    user_id,
    limit,
    before = ABOVE_ALL,
  }: {
    user_id?: string | undefined;
    limit: number;
    before?: string | undefined;
  }): Promise<ListPage<Order, string>> {
    const [where, order] =
      user_id === undefined
        ? ["order_id < $1", "order_id desc"]
        : along("user_id", "$3", "order_id");
    const { rows } = await pool.query<OrderRow>({
      text: `select ${ORDER_COLUMNS} from orders where ${where} order by ${order} limit $2`,
      values: [before, limit + 1, ...(user_id === undefined ? [] : [user_id])],
    });
    return pageOf(rows.map(orderOf), limit, ({ order_id }) => order_id);
  }

  /** Null when there is none (yet). */
  async function readOrder(order_id: string): Promise<Order | null> {
    const { rows } = await pool.query<OrderRow>({
      name: "read_order",
      text: `select ${ORDER_COLUMNS} from orders where order_id = $1`,
      values: [order_id],
    });
    const [row] = rows;
    return row ? orderOf(row) : null;
  }

  return { listHolds, listOrders, readOrder };
}

/** Sorts behind every id, which begins with one capital and a hyphen. */
const ABOVE_ALL = "Z";

// Ids come out of an index in their order, and reading ends with the page. What else is asked for is looked
// up for each by itself (hence `limit 1`): a join may begin with all that a sku ever had. Not prepared: the
// plan depends on how common the user, the sku and the status are.
function holdsStatement(
  list: HoldFilter & { limit: number; before?: string | undefined },
): Statement {
  const { user_id, sku, status, limit, before = ABOVE_ALL } = list;
  const page = [before, limit + 1];
  // A sku has more holds than somebody has.
  if (sku !== undefined && user_id === undefined) return holdsOfSku(page, sku, status);
  const values: unknown[] = page;
  const given = (value: unknown) => `$${values.push(value)}`;
  const [where, order] =
    user_id !== undefined
      ? along("user_id", given(user_id), "holds.hold_id")
      : status !== undefined
        ? along("status", given(status), "holds.hold_id")
        : ["holds.hold_id < $1", "holds.hold_id desc"];
  const line =
    sku === undefined
      ? ""
      : `cross join lateral (
           select from hold_lines
           where hold_lines.hold_id = holds.hold_id and sku = ${given(sku)} limit 1
         ) as line`;
  const inStatus = status === undefined ? "" : `and status = ${given(status)}`;
  return {
    text: `select ${HOLD_COLUMNS} from holds ${line} where ${where} ${inStatus}
           order by ${order} limit $2`,
    values,
  };
}

/**
 * Rows whose column has this value and whose id is below $1, told in such a way that only an index of both
 * serves: Postgres goes through all ids with a filter when it believes that a page is soon full.
 */
function along(column: string, value: string, id: string): [where: string, order: string] {
  const pair = `(${column}, ${id})`;
  return [`${pair} < (${value}, $1) and ${pair} > (${value}, '')`, `${column} desc, ${id} desc`];
}

// With a status, nobody looks beyond its newest and its oldest hold: few are active, and these are young.
function holdsOfSku(page: unknown[], sku: string, status: HoldStatus | undefined): Statement {
  const [inStatus, between] =
    status === undefined
      ? ["", ""]
      : [
          "and status = $4",
          `and hold_id >= (select min(hold_id) from holds where status = $4)
           and hold_id <= (select max(hold_id) from holds where status = $4 and hold_id < $1)`,
        ];
  return {
    text: `select ${HOLD_COLUMNS}
           from (
             select distinct hold_id from hold_lines
             where sku = $3 and hold_id < $1 ${between} order by hold_id desc
           ) as found
           cross join lateral (
             select * from holds where holds.hold_id = found.hold_id ${inStatus} limit 1
           ) as holds
           order by found.hold_id desc limit $2`,
    values: [...page, sku, ...(status === undefined ? [] : [status])],
  };
}

const ORDER_COLUMNS = `order_id, hold_id, user_id, payment_ref, confirmed_at, ${linesOf("orders")},
  ${RETURNS_COLUMN},
  coalesce((select late from holds where holds.hold_id = orders.hold_id), false) as late`;

type OrderRow = Omit<Order, "confirmed_at"> & { confirmed_at: Date };
const orderOf = (row: OrderRow): Order => ({ ...row, confirmed_at: row.confirmed_at.getTime() });
