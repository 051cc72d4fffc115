import type { Response } from "express";
import { Rejection, type RejectionCode } from "../domain/rejection.ts";
import type { Log } from "../log.ts";
import { monotonicNow } from "../now.ts";
import { OutcomeUnknown } from "../postgres/transaction.ts";
import { CorruptKey, Overloaded, Recovering, RedisFault } from "../redis/outcome.ts";
import { answer, contextOf } from "./answer.ts";
import { camelCasedMembers } from "./camel-case.ts";

export type ProblemCode =
  | RejectionCode
  | "CORRUPT_STOCK"
  | "INTERNAL_ERROR"
  | "OUTCOME_UNKNOWN"
  | "OVERLOADED"
  | "RECOVERING"
  | "STORE_UNAVAILABLE";

type ProblemKind = {
  status: number;
  title: string;
  /** What the caller does about it, on the problem's page. */
  remedy: string;
};

/** Every problem there is. A code without a row here does not compile. */
export const PROBLEMS: Record<ProblemCode, ProblemKind> = {
  BODY_TOO_LARGE: {
    status: 413,
    title: "Body too large",
    remedy: "Send at most 16 kB, or 1 MB to a route that takes many lines.",
  },
  CORRUPT_STOCK: {
    status: 500,
    title: "Corrupt stock",
    remedy:
      "A Redis key holds something else than it should; nothing was changed. An operator must look at the key the log names, and set it right.",
  },
  HEADERS_TOO_LARGE: {
    status: 431,
    title: "Headers too large",
    remedy: "Send less than 16 kB of request line and headers.",
  },
  HOLD_ALREADY_CONFIRMED: {
    status: 409,
    title: "Hold already confirmed",
    remedy: "The units are sold. If you confirmed with another payment_ref, refund one of the two.",
  },
  HOLD_CANCELLED: {
    status: 409,
    title: "Hold cancelled",
    remedy: "The units went back. Reserve again, or refund.",
  },
  HOLD_EXPIRED: {
    status: 410,
    title: "Hold expired",
    remedy: "The deadline has passed and the units went back. Reserve again, or refund.",
  },
  HOLD_NOT_FOUND: {
    status: 404,
    title: "Hold not found",
    remedy: "Check the hold_id.",
  },
  IDEMPOTENCY_KEY_MISSING: {
    status: 400,
    title: "Idempotency key missing",
    remedy:
      "Send an Idempotency-Key header, or idempotency_key in the body: a value of your own, new for each purchase and the same for each retry of it.",
  },
  IDEMPOTENCY_KEY_REUSED: {
    status: 422,
    title: "Idempotency key reused",
    remedy:
      "The key belongs to another request of the last 24 hours. Use a new key for a new request.",
  },
  INTERNAL_ERROR: {
    status: 500,
    title: "Internal error",
    remedy: "This is a bug of ours. The log has it under the request id in `instance`.",
  },
  INVALID_REQUEST: {
    status: 400,
    title: "Invalid request",
    remedy: "Mend what `errors` or `detail` names. Nothing was done.",
  },
  METHOD_NOT_ALLOWED: {
    status: 405,
    title: "Method not allowed",
    remedy: "Use a method that the Allow header names.",
  },
  NOT_FOUND: {
    status: 404,
    title: "Not found",
    remedy: "There is nothing at this address.",
  },
  OUTCOME_UNKNOWN: {
    status: 504,
    title: "Outcome unknown",
    remedy:
      "The request may or may not have been carried out. Ask again with the same idempotency key (confirm and cancel: the same body): it takes effect at most once, and you get its answer.",
  },
  OVERLOADED: {
    status: 503,
    title: "Overloaded",
    remedy: "Nothing was done. Ask again after Retry-After seconds, with the same key.",
  },
  PRODUCT_EXISTS: {
    status: 409,
    title: "Product exists",
    remedy: "There is a product with this sku. Change it with PUT.",
  },
  PRODUCT_IN_USE: {
    status: 409,
    title: "Product in use",
    remedy:
      "The product still has stock, or live reservations. Take its stock out and let the reservations end first.",
  },
  PRODUCT_NOT_FOUND: {
    status: 404,
    title: "Product not found",
    remedy: "Check the sku. One that was only ever stocked has no product until you make it.",
  },
  RECOVERING: {
    status: 503,
    title: "Recovering",
    remedy:
      "Nothing was done. The store may have lost data, and sells nothing until it was compared with the ledger: seconds, unless an operator has to agree. Ask again after Retry-After seconds, with the same key.",
  },
  REQUEST_TIMEOUT: {
    status: 408,
    title: "Request timeout",
    remedy: "The request came too slowly. Nothing was done.",
  },
  SOLD_OUT: {
    status: 409,
    title: "Sold out",
    remedy:
      "Fewer units are available than you asked for. The refusal is not remembered: the same key may try again, and gets units that were given back.",
  },
  STORE_NOT_FOUND: {
    status: 404,
    title: "Store not found",
    remedy: "Check the store_id, or leave it out for the default store.",
  },
  STORE_UNAVAILABLE: {
    status: 503,
    title: "Store unavailable",
    remedy: "Nothing was done. Ask again after Retry-After seconds, with the same key.",
  },
  UNKNOWN_SKU: {
    status: 404,
    title: "Unknown sku",
    remedy:
      "Nobody has stocked this sku. An operator does so with: redis-cli SET stock:<sku> <units>",
  },
  UNSUPPORTED_MEDIA_TYPE: {
    status: 415,
    title: "Unsupported media type",
    remedy: "Send Content-Type: application/json, UTF-8, without Content-Encoding.",
  },
  VERSION_CONFLICT: {
    status: 409,
    title: "Version conflict",
    remedy:
      "It has changed since you read it: `version` is the one it has now. Read again, then decide.",
  },
  WOULD_GO_NEGATIVE: {
    status: 409,
    title: "Would go negative",
    remedy: "Fewer units are available than this takes away. Nothing was changed.",
  },
};

export const slugOf = (code: ProblemCode) => code.toLowerCase().replaceAll("_", "-");

export type Problem = {
  code: ProblemCode;
  detail: string;
  members: Record<string, unknown>;
  retry_after?: number;
};

/** Answers an error of any origin as the RFC 9457 problem it is; logs what somebody must look at. */
export function sendProblem(res: Response, error: unknown, log: Log): void {
  const { request_id, route } = contextOf(res);
  const problem = noteProblem(error, request_id, log);
  if (problem.retry_after !== undefined) res.setHeader("Retry-After", problem.retry_after);
  const members = route.startsWith("/v1/") ? camelCasedMembers(problem.members) : problem.members;
  const body = problemBody({ ...problem, members }, request_id);
  answer(res, PROBLEMS[problem.code].status, body, "application/problem+json");
}

/** What an error of any origin is to the caller; what somebody must look at goes to the log. */
export function noteProblem(error: unknown, request_id: string, log: Log): Problem {
  const problem = problemOf(error);
  if (PROBLEMS[problem.code].status >= 500 && isNews(problem.code, error)) {
    const ours = problem.code === "INTERNAL_ERROR" || problem.code === "CORRUPT_STOCK";
    const line = { err: error, request_id, code: problem.code };
    if (ours) log.error(line, "request failed");
    else log.warn(line, "requests can't be served");
  }
  return problem;
}

const LINES_A_SECOND_MAX = 100;
const LINES_ALIKE_MAX = 10;
let second = 0;
let lines: string[] = [];

// In an outage every request fails alike, thousands a second: a few lines a second for each thing that is
// wrong, and the metrics count them all.
function isNews(code: ProblemCode, error: unknown): boolean {
  const now = Math.floor(monotonicNow() / 1000);
  if (now !== second) lines = [];
  second = now;
  if (lines.length >= LINES_A_SECOND_MAX) return false;
  const line = `${code} ${error instanceof Error ? error.message : ""}`;
  if (lines.filter((other) => other === line).length >= LINES_ALIKE_MAX) return false;
  lines.push(line);
  return true;
}

export function problemBody({ code, detail, members }: Problem, request_id: string) {
  const { status, title } = PROBLEMS[code];
  const type = `/problems/${slugOf(code)}`;
  return { type, title, status, detail, code, message: detail, instance: request_id, ...members };
}

function problemOf(error: unknown): Problem {
  if (error instanceof Rejection) return error;
  if (isUnknown(error)) {
    return problem(
      "OUTCOME_UNKNOWN",
      "It is not known whether this was carried out. Ask again with the same key.",
    );
  }
  if (error instanceof Recovering) {
    return unavailable("RECOVERING", "The store is being recovered. Nothing was done.");
  }
  if (error instanceof RedisFault) {
    return unavailable("STORE_UNAVAILABLE", "The store did not answer in time. Nothing was done.");
  }
  if (error instanceof Overloaded) {
    return unavailable("OVERLOADED", "Too many requests are waiting. Nothing was done.");
  }
  if (error instanceof LedgerUnavailable) {
    return unavailable(
      "STORE_UNAVAILABLE",
      "The ledger can't be asked right now. Nothing was done.",
    );
  }
  if (error instanceof CorruptKey) {
    return problem("CORRUPT_STOCK", "The stored data is corrupt; nothing was changed.");
  }
  // Express and its router: a path that is not valid percent-encoding.
  if (error instanceof URIError)
    return problem("INVALID_REQUEST", "The address is not valid UTF-8.");
  return problem("INTERNAL_ERROR", "Something went wrong on our side.");
}

const isUnknown = (error: unknown) =>
  error instanceof OutcomeUnknown || (error instanceof RedisFault && error.outcome === "UNKNOWN");

/** The ledger was needed, and did not answer. */
export class LedgerUnavailable extends Error {
  override name = "LedgerUnavailable";
}

const problem = (code: ProblemCode, detail: string): Problem => ({ code, detail, members: {} });

// Spread over three seconds: those refused together must not come back together.
const unavailable = (code: ProblemCode, detail: string): Problem => ({
  ...problem(code, detail),
  retry_after: 1 + Math.floor(Math.random() * 3),
});
