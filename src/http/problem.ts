import type { Response } from "express";
import { Rejection } from "../domain/rejection.ts";
import type { Log } from "../log.ts";
import { monotonicNow } from "../now.ts";
import { OutcomeUnknown } from "../postgres/transaction.ts";
import { CorruptKey, Overloaded, Recovering, RedisFault } from "../redis/outcome.ts";
import { answer, contextOf } from "./answer.ts";
import { camelCasedMembers } from "./camel-case.ts";
import { PROBLEMS, type ProblemCode, slugOf } from "./problem-kinds.ts";

export type Problem = {
  code: ProblemCode;
  detail: string;
  members: Record<string, unknown>;
  retry_after?: number;
};

/** Answers an error of any origin as the RFC 9457 problem it is; logs what somebody must look at. */
export function sendProblem(res: Response, error: unknown, log: Log): void {
  const context = contextOf(res);
  const { request_id, route } = context;
  const problem = noteProblem(error, request_id, log);
  context.problem_code = problem.code;
  if (problem.retry_after !== undefined) res.setHeader("Retry-After", problem.retry_after);
  const members = route.startsWith("/v1/") ? camelCasedMembers(problem.members) : problem.members;
  const body = problemBody({ ...problem, members }, request_id);
  answer(res, PROBLEMS[problem.code].status, body, "application/problem+json");
}

/** What an error of any origin is to the caller; what somebody must look at goes to the log. */
export function noteProblem(error: unknown, request_id: string, log: Log): Problem {
  const problem = problemOf(error);
  if (PROBLEMS[problem.code].status >= 500 && !isTold(error) && isNews(problem.code, error)) {
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

// When it begins and when it ends, by src/redis/backlog.ts: it may last for hours.
const isTold = (error: unknown) => error instanceof Overloaded && error.because !== "QUEUE";

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
  if (error instanceof Overloaded) return overloaded(error);
  if (error instanceof LedgerUnavailable) {
    return unavailable(
      "STORE_UNAVAILABLE",
      "The ledger can't be asked right now. Nothing was done.",
    );
  }
  if (error instanceof CallerUnknowable) {
    return unavailable(
      "STORE_UNAVAILABLE",
      "It can't be said right now who calls. Nothing was done.",
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

/** Whatever says who may call can't be asked. */
export class CallerUnknowable extends Error {
  override name = "CallerUnknowable";
}

const problem = (code: ProblemCode, detail: string): Problem => ({ code, detail, members: {} });

/** A backlog lasts for longer than a rush: who asked again after a second would only be refused again. */
const BACKLOG_SECONDS = 5;

/** What is answered while too much is waiting. */
export function overloaded({ because, message }: Overloaded): Problem {
  if (because === "QUEUE") {
    return unavailable("OVERLOADED", "Too many requests are waiting. Nothing was done.");
  }
  const retry_after = BACKLOG_SECONDS + Math.floor(Math.random() * 2 * BACKLOG_SECONDS);
  return { ...problem("OVERLOADED", `${message} Nothing was done.`), retry_after };
}

// Spread over three seconds: those refused together must not come back together.
const unavailable = (code: ProblemCode, detail: string): Problem => ({
  ...problem(code, detail),
  retry_after: 1 + Math.floor(Math.random() * 3),
});
