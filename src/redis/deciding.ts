import { Rejection } from "../domain/rejection.ts";
import { corruptKeys, countHoldOutcome } from "../metrics.ts";
import type { Batcher, ScriptRequest, Tuple } from "./batcher.ts";
import { CorruptKey, RedisFault } from "./outcome.ts";
import type { ScriptName } from "./scripts.ts";

/** What every call carries: who asked, and until when (local ms) somebody waits for the answer. */
export type CallContext = {
  request_id: string;
  deadline: number;
  /** Who changes stock by hand, for its history. */
  actor?: string | undefined;
};

/** Who changes stock, for its history: the API, when nobody is named. */
export const actorOf = ({ actor }: CallContext) => actor ?? "api";

/** Runs scripts that decide something, and counts what they decided. */
export function createSubmit(batcher: Batcher) {
  return async (
    script: ScriptName,
    context: CallContext,
    request: ScriptRequest,
  ): Promise<Tuple> => {
    const tuple = await batcher.submit(script, request, context.deadline);
    countHoldOutcome(script, tuple[0]);
    return tuple;
  };
}

/** A fault of a call that only reads: whatever became of it, nothing was done. */
export function nothingDone(error: unknown): unknown {
  return error instanceof RedisFault && error.outcome === "UNKNOWN"
    ? new RedisFault("NOT_EXECUTED", error.message, error)
    : error;
}

/** What every script may answer. */
export function commonRefusal(tuple: Tuple): Error | Rejection {
  switch (tuple[0]) {
    case "IDEMPOTENCY_KEY_REUSED":
      return new Rejection(
        "IDEMPOTENCY_KEY_REUSED",
        "This idempotency key was used for another request. Use a new key for a new request.",
      );
    case "HOLD_NOT_FOUND":
      return new Rejection("HOLD_NOT_FOUND", "There is no such hold.");
    case "SALE_PAUSED":
      return new Rejection("SALE_PAUSED", `The sale of ${tuple[1]} is paused.`, { sku: tuple[1] });
    case "SALE_NOT_OPEN": {
      const opens_at = isoOf(tuple[2]);
      const detail = `The sale of ${tuple[1]} opens at ${opens_at}.`;
      return new Rejection("SALE_NOT_OPEN", detail, { sku: tuple[1], opens_at });
    }
    case "SALE_CLOSED": {
      const closes_at = isoOf(tuple[2]);
      const detail = `The sale of ${tuple[1]} ended at ${closes_at}.`;
      return new Rejection("SALE_CLOSED", detail, { sku: tuple[1], closes_at });
    }
    case "LIMIT_EXCEEDED":
      return limitExceeded(tuple);
    case "CUSTOMER_REQUIRED":
      return new Rejection("INVALID_REQUEST", `${tuple[1]} is limited per customer: say who buys.`);
    case "UNKNOWN_SKU":
      return new Rejection("UNKNOWN_SKU", `Nobody has stocked ${tuple[1]}.`, { sku: tuple[1] });
    case "CORRUPT":
      corruptKeys.inc();
      return new CorruptKey(String(tuple[1]));
    default:
      return new Error(`A script answered ${tuple[0]}, which this call does not expect.`);
  }
}

/**
 * What a script may answer that needs a hold to be alive still.
 * @param sold what is said of one that was sold
 */
export function endedRefusal(hold_id: string, tuple: Tuple, sold: string): Error | Rejection {
  switch (tuple[0]) {
    case "HOLD_ALREADY_CONFIRMED":
      return new Rejection("HOLD_ALREADY_CONFIRMED", sold, { hold_id });
    case "HOLD_CANCELLED":
      return new Rejection("HOLD_CANCELLED", "The hold was cancelled.", { hold_id });
    case "HOLD_EXPIRED": {
      const expires_at = isoOf(tuple[1]);
      return new Rejection("HOLD_EXPIRED", "The hold's deadline has passed.", {
        hold_id,
        expires_at,
      });
    }
    default:
      return commonRefusal(tuple);
  }
}

/** As the rules are called where they are set. */
const RULE_NAMES: Record<string, string> = {
  max_per_order: "maxPerOrder",
  max_per_customer: "maxPerCustomer",
  max_active_holds: "maxActiveHolds",
  max_extensions: "maxExtensions",
};

function limitExceeded([, sku, name, limit, left]: Tuple): Rejection {
  const rule = RULE_NAMES[String(name)] ?? String(name);
  const detail = `${rule} of ${sku} is ${limit}, and ${left} of that is left.`;
  return new Rejection("LIMIT_EXCEEDED", detail, { sku, rule, limit, left });
}

const isoOf = (millis: unknown) => new Date(Number(millis)).toISOString();

/** The lines of SOLD_OUT and ALL_HELD. */
export function takenLines(tuple: Tuple) {
  const lines = [];
  for (let i = 1; i + 4 < tuple.length; i += 5) {
    const [sku, store_id, requested, available, held] = tuple.slice(i, i + 5);
    lines.push({
      sku: String(sku),
      store_id: String(store_id),
      requested: Number(requested),
      available: Number(available),
      held: Number(held),
    });
  }
  return lines;
}

/** The lines of a refusal that names each which asks for more than there is. */
export function shortLines(tuple: Tuple) {
  const lines = [];
  for (let i = 1; i + 3 < tuple.length; i += 4) {
    const [sku, store_id, requested, available] = tuple.slice(i, i + 4);
    lines.push({ sku, store_id, requested, available });
  }
  return lines;
}
