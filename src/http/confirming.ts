import { z } from "zod";
import type { Hold } from "../domain/hold.ts";
import { LINES_MAX } from "../domain/limits.ts";
import type { UnfulfilledPayment } from "../domain/payment.ts";
import { Rejection } from "../domain/rejection.ts";
import { unfulfilledPayments } from "../metrics.ts";
import { createUnfulfilled } from "../postgres/unfulfilled.ts";
import type { Part, Sale } from "../redis/settling.ts";
import type { RequestContext } from "./answer.ts";
import type { RouteDeps } from "./deps.ts";
import { quantity, sku } from "./fields.ts";
import { knownForm } from "./find-hold.ts";
import { askLedger } from "./ledger-call.ts";
import { summedLines } from "./lines.ts";
import { ENDED_PROBLEMS, type ProblemCode } from "./problem-kinds.ts";

// What both confirms do. Each of them has its own names for what it takes and answers.

export const partLines = z
  .array(z.strictObject({ sku, qty: quantity }))
  .min(1)
  .max(LINES_MAX)
  .optional()
  .meta({ description: "What is sold, when it is not all that is held. The rest goes back." });

export const onExpired = z.enum(["refuse", "reacquire"]).optional().meta({
  description:
    "What becomes of a payment after the deadline. `refuse` (the default) does nothing. `reacquire`, when the money has moved: the units are taken again if they are there and the limits allow, or the payment is written down as unfulfilled.",
});

/** What an answer says of a sale that was not as usual. */
export const sold = {
  late: z.literal(true).optional().meta({ description: "It was sold after its deadline." }),
  lines: z
    .array(z.object({ sku, qty: z.int() }))
    .optional()
    .meta({ description: "What was sold, when it was not all that was held." }),
};

export const presentSale = ({ late, lines }: Sale) => ({
  ...(late ? { late } : {}),
  ...(lines ? { lines: lines.map(({ sku, quantity }) => ({ sku, qty: quantity })) } : {}),
});

export const CONFIRM_PROBLEMS: ProblemCode[] = [...ENDED_PROBLEMS, "PAYMENT_UNFULFILLED"];

type Confirm = {
  route: "confirm" | "v1_confirm";
  hold_id: string;
  /** "" when the payment has no name. */
  payment_ref: string;
  lines?: { sku: string; qty: number }[] | undefined;
  on_expired?: "refuse" | "reacquire" | undefined;
  /** "" when there is none. */
  idempotency_key: string;
};

/** @throws Rejection, also PAYMENT_UNFULFILLED: that is an answer for good */
export async function confirmHold(
  deps: RouteDeps,
  { lines, on_expired, ...asked }: Confirm,
  context: RequestContext,
): Promise<Sale> {
  const confirm = {
    ...asked,
    hold_id: knownForm(asked.hold_id),
    idempotency_key: asked.idempotency_key || undefined,
    parts: partsOf(lines ?? []),
  };
  if (on_expired === "reacquire") return settle(deps, confirm, context);
  try {
    return await deps.inventory.confirmHold(confirm, context);
  } catch (error) {
    if (!(error instanceof Rejection) || error.code !== "HOLD_NOT_FOUND") throw error;
    const sale = saleIn(await askLedger(context, deps.ledger.readHold(confirm.hold_id)), confirm);
    if (sale) return sale;
    throw error;
  }
}

type Settle = Parameters<RouteDeps["inventory"]["settlePayment"]>[0];

// Redis decides by itself as long as it surely remembers whatever became of the hold and of its payments.
async function settle(deps: RouteDeps, confirm: Settle, context: RequestContext): Promise<Sale> {
  if (confirm.payment_ref === "") {
    const detail = "is needed for what has been paid already";
    const errors = [{ pointer: "#/paymentRef", detail }];
    throw new Rejection("INVALID_REQUEST", `paymentRef ${detail}.`, { errors });
  }
  const { inventory, ledger, pool, log } = deps;
  const { hold_id, payment_ref } = confirm;
  let settled = await inventory.settlePayment(confirm, context);
  if ("ledger_needed" in settled) {
    const [payment, recorded] = await askLedger(
      context,
      Promise.all([
        createUnfulfilled(pool).findPayment(hold_id, payment_ref),
        ledger.readHold(hold_id),
      ]),
    );
    if (payment) throw unfulfilled(payment);
    const sale = saleIn(recorded, confirm);
    if (sale) return sale;
    settled = await inventory.settlePayment({ ...confirm, recorded }, context);
  }
  if ("sale" in settled) return settled.sale;
  if (!("unfulfilled" in settled)) throw new Error("The ledger was asked, and is needed still.");
  if (!settled.replayed) {
    const { payment_id, why } = settled.unfulfilled;
    unfulfilledPayments.inc({ why });
    log.warn({ hold_id, payment_id, why }, "a payment can't be fulfilled: somebody must see to it");
  }
  throw unfulfilled(settled.unfulfilled);
}

/** The sale of a hold that Redis has forgotten, if it was sold for this payment. */
function saleIn(hold: Hold | null, { payment_ref }: { payment_ref: string }): Sale | null {
  if (hold?.status !== "CONFIRMED" || (hold.payment_ref ?? "") !== payment_ref) return null;
  return {
    order_id: hold.order_id ?? "",
    confirmed_at: hold.ended_at ?? 0,
    replayed: true,
    late: hold.late || undefined,
    lines: hold.partial ? hold.lines : undefined,
  };
}

const unfulfilled = ({ payment_id, hold_id, payment_ref, why }: UnfulfilledPayment) =>
  new Rejection(
    "PAYMENT_UNFULFILLED",
    `Nothing can be given for this payment: ${why}. It is written down as ${payment_id}.`,
    { hold_id, payment_ref, payment_id, why },
  );

// However many these are together, the hold says whether it has them.
const partsOf = (lines: { sku: string; qty: number }[]): Part[] =>
  summedLines(lines, Number.POSITIVE_INFINITY).map(({ sku, qty }) => ({ sku, quantity: qty }));
