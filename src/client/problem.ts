import type { Told } from "./read-answer.ts";
import type { ProblemMembers } from "./types/problem-members.ts";

/**
 * The service has said no. `code` says why, for programs, and never changes; `detail` says it for
 * people. What a code means, and what to do then, is on the service's page `/problems/<code>`.
 */
export class HoldfastProblem<Code extends string = string, Members = unknown> extends Error {
  override name = "HoldfastProblem";
  readonly code: Code;
  readonly status: number;
  readonly detail: string;
  /** What the service's logs call this request. */
  readonly requestId: string;
  /** What else it tells: how many are available, until when a sale lasted. */
  readonly members: Members;
  /** Seconds after which to ask again, if it said so. */
  readonly retryAfter: number | undefined;
  /** The key this was asked under; undefined for a read. */
  readonly idempotencyKey: string | undefined;
  readonly tries: number;

  constructor(
    told: Told & { code: Code; members: Members },
    tries: number,
    idempotencyKey: string | undefined,
  ) {
    super(`${told.code}: ${told.detail}`);
    this.code = told.code;
    this.status = told.status;
    this.detail = told.detail;
    this.requestId = told.requestId;
    this.members = told.members;
    this.retryAfter = told.retryAfter;
    this.idempotencyKey = idempotencyKey;
    this.tries = tries;
  }
}

export type ProblemCode = keyof ProblemMembers;

/** Told apart by `code`: with it, TypeScript knows the `members`. */
export type Problem = {
  [Code in ProblemCode]: HoldfastProblem<Code, ProblemMembers[Code]>;
}[ProblemCode];

/** Whether the service has said no; if codes are given: and that this is one of them. */
export function isProblem<Code extends ProblemCode = ProblemCode>(
  error: unknown,
  ...codes: Code[]
): error is Extract<Problem, { code: Code }> {
  if (!(error instanceof HoldfastProblem)) return false;
  return codes.length === 0 || codes.some((code) => code === error.code);
}

/**
 * No try got an answer that settles it. A read has done nothing. Whether a write was done is not known:
 * ask again under the same `idempotencyKey`, it takes effect at most once. `cause` is what the last try
 * got instead.
 */
export class HoldfastUnanswered extends Error {
  override name = "HoldfastUnanswered";
  readonly outcome: "UNKNOWN" | "NOTHING_DONE";
  readonly idempotencyKey: string | undefined;
  readonly tries: number;

  constructor(what: string, tries: number, idempotencyKey: string | undefined, cause: unknown) {
    const then =
      idempotencyKey === undefined
        ? "It only reads: nothing was done."
        : `Whether it was done is not known: ask again with the same key, ${idempotencyKey}`;
    const times = tries === 1 ? "1 try" : `${tries} tries`;
    super(`${what} got no answer in ${times} (${reasonOf(cause)}). ${then}`, { cause });
    this.outcome = idempotencyKey === undefined ? "NOTHING_DONE" : "UNKNOWN";
    this.idempotencyKey = idempotencyKey;
    this.tries = tries;
  }
}

// fetch says "fetch failed", and what failed is its cause.
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { message, cause } = error;
  return cause instanceof Error && cause.message !== "" ? `${message}: ${cause.message}` : message;
}
