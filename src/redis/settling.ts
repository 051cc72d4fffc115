import { type Hold, type Line, parseLines } from "../domain/hold.ts";
import { newEventId, newOrderId, newPaymentId } from "../domain/ids.ts";
import { type UnfulfilledPayment, WHYS } from "../domain/payment.ts";
import { Rejection } from "../domain/rejection.ts";
import type { Tuple } from "./batcher.ts";
import { type CallContext, commonRefusal } from "./deciding.ts";
import { type Idem, lineArgs, type SubmitWithLines } from "./hold-lines.ts";
import type { IdemRoute, Keys } from "./keys.ts";

/** So many units of what is held, whatever store they are in. */
export type Part = { sku: string; quantity: number };

/** What a confirm came to. */
export type Sale = {
  order_id: string;
  confirmed_at: number;
  replayed: boolean;
  /** It came after the deadline. */
  late?: boolean | undefined;
  /** What was sold, when it was only a part of what was held. */
  lines?: Line[] | undefined;
};

type Settled =
  | { sale: Sale }
  | { unfulfilled: UnfulfilledPayment; replayed: boolean }
  /** Redis may have forgotten what it did: the ledger must be asked. */
  | { ledger_needed: true };

/** Sells for money that has moved, as `settle_payments` does; part of the inventory. */
export function createSettling({
  submitWithLines,
  idemOf,
  keys,
}: {
  submitWithLines: SubmitWithLines;
  idemOf: (route: IdemRoute, key: string | undefined, request: unknown[]) => Idem | null;
  keys: Keys;
}) {
  /**
   * Sells a hold's units also after its deadline, or writes down that it could not. The same payment again
   * gets the same answer.
   * @param input.parts none: all that is held
   * @param input.recorded the hold as the ledger has it, null when it has none; undefined: it was not asked
   */
  async function settlePayment(
    input: {
      hold_id: string;
      payment_ref: string;
      parts: Part[];
      idempotency_key: string | undefined;
      route: "confirm" | "v1_confirm";
      recorded?: Hold | null | undefined;
    },
    context: CallContext,
  ): Promise<Settled> {
    const { hold_id, payment_ref, parts, recorded } = input;
    const asked = [hold_id, payment_ref, parts, "reacquire"];
    const idem = idemOf(input.route, input.idempotency_key, asked);
    const [event_id, order_id, payment_id] = [newEventId(), newOrderId(), newPaymentId()];
    const ids = [event_id, context.request_id, hold_id, idem?.fingerprint ?? ""];
    const tuple = await submitWithLines(hold_id, context, (known) => {
      const lines = known.length > 0 ? known : (recorded?.lines ?? []);
      return {
        script: "settle_payments",
        keys: [
          keys.hold(hold_id),
          ...(idem ? [idem.key] : []),
          ...lines.flatMap(keys.ofStock),
          keys.idem("payment", `${hold_id} ${payment_ref}`),
        ],
        args: [
          ...ids,
          ...lineArgs(lines),
          ...[order_id, payment_ref, payment_id],
          ...recordedArgs(recorded),
          ...partArgs(parts),
        ],
      };
    });
    switch (tuple[0]) {
      case "CONFIRMED":
      case "REPLAYED":
        return { sale: saleOf(tuple, order_id) };
      case "UNFULFILLED":
      case "UNFULFILLED_BEFORE":
        return unfulfilledOf(tuple, { hold_id, payment_ref, payment_id });
      case "LEDGER_NEEDED":
        return { ledger_needed: true };
      case "NOT_HELD":
        throw notHeld(tuple, parts);
      default:
        throw commonRefusal(tuple);
    }
  }

  return { settlePayment };
}

const recordedArgs = (hold: Hold | null | undefined) =>
  hold
    ? [hold.status, hold.user_id, ...[hold.created_at, hold.expires_at, hold.version].map(String)]
    : [hold === null ? "NONE" : "", "", "", "", ""];

export const partArgs = (parts: Part[]) => [
  String(parts.length),
  ...parts.flatMap(({ sku, quantity }) => [sku, String(quantity)]),
];

/**
 * Reads what a script says of a sale.
 * @param own_order_id what the order would be called if this request made it: one of a retry of ours that met
 *   the effect of our own lost reply is new to the caller
 */
export function saleOf(
  [, order_id, confirmed_at, term, ...lines]: Tuple,
  own_order_id: string,
): Sale {
  return {
    order_id: String(order_id),
    confirmed_at: Number(confirmed_at),
    replayed: order_id !== own_order_id,
    late: term === "LATE" || undefined,
    lines: lines.length > 0 ? (parseLines(lines.join(" ")) ?? undefined) : undefined,
  };
}

function unfulfilledOf(
  [, payment_id, why, occurred_at]: Tuple,
  own: { hold_id: string; payment_ref: string; payment_id: string },
): Settled {
  const known = WHYS.find((one) => one === why);
  if (!known) throw new Error(`A payment is unfulfilled since ${why}, which nobody expects.`);
  const replayed = payment_id !== own.payment_id;
  const unfulfilled = {
    ...own,
    payment_id: String(payment_id),
    why: known,
    occurred_at: Number(occurred_at),
  };
  return { unfulfilled, replayed };
}

/** Says which of the lines to be sold the hold has not. */
export function notHeld([, sku, held]: Tuple, parts: Part[]): Rejection {
  const part = parts.find((one) => one.sku === sku);
  const detail = `The hold has ${held} of ${sku}, and ${part?.quantity} are to be sold.`;
  const errors = [{ pointer: "#/lines", detail }];
  return new Rejection("INVALID_REQUEST", detail, { errors });
}
