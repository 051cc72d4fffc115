import { HoldfastProblem, HoldfastUnanswered } from "../../src/client/client.ts";
import { PROBLEMS } from "../../src/http/problem-kinds.ts";
import { BadOption } from "../arguments.ts";
import { messageOf } from "../say.ts";

/** How a command ends. `--help` says so, too. */
export const EXITS = { DONE: 0, REFUSED: 1, USAGE: 2, UNKNOWN: 3 } as const;

export type Failure = {
  exit: (typeof EXITS)[keyof typeof EXITS];
  /** A problem's code, or one of ours. */
  code: string;
  message: string;
  /** What the reader can do now. */
  advice?: string | undefined;
  /** What else the problem says. */
  members?: Record<string, unknown> | undefined;
};

/** A command that could not do its work, in words for whoever typed it. */
export class CommandFailure extends Error {
  override name = "CommandFailure";
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure;
  }
}

/** Something that is not as the command needs it to be. */
export const refused = (code: string, message: string, advice?: string) =>
  new CommandFailure({ exit: EXITS.REFUSED, code, message, advice });

/** What any error is to whoever typed the command. */
export function failureOf(error: unknown): Failure {
  if (error instanceof CommandFailure) return error.failure;
  if (error instanceof HoldfastProblem) return problemFailure(error);
  if (error instanceof HoldfastUnanswered) return unansweredFailure(error);
  if (error instanceof BadOption) {
    return { exit: EXITS.USAGE, code: "BAD_USAGE", message: error.message };
  }
  const message = messageOf(error);
  if (isUnreachable(error)) return { exit: EXITS.UNKNOWN, code: "UNREACHABLE", message };
  return { exit: EXITS.REFUSED, code: "FAILED", message };
}

const REMEDIES: Record<string, { remedy: string }> = PROBLEMS;
const OURS: Record<string, string | undefined> = {
  NOT_FOUND: undefined,
  STORE_UNAVAILABLE: "npx holdfast status says what is there and what is not.",
  UNKNOWN_SKU: "To stock it: npx holdfast stock set <sku> <units>",
  UNAUTHENTICATED:
    "Set HOLDFAST_TOKEN, or make a key beside Postgres: npm run keys -- create --name me --role operator",
  FORBIDDEN:
    "Use a token with the role. Beside Postgres: npm run keys -- create --name me --role <role>",
  RECOVERING: "npx holdfast recovery show says what it waits for.",
  OVERLOADED: "Nothing was done. npx holdfast status says what there is too much of.",
  CORRUPT_STOCK:
    "Nothing was done. The API's log names the key: set it right with redis-cli SET stock:<sku> <units>",
};

function problemFailure(problem: HoldfastProblem): Failure {
  const { code, detail, members } = problem;
  return {
    exit: EXITS.REFUSED,
    code,
    message: `${code}: ${detail}`,
    advice: code in OURS ? OURS[code] : REMEDIES[code]?.remedy,
    members: Object(members),
  };
}

function unansweredFailure({ outcome, idempotencyKey, cause }: HoldfastUnanswered): Failure {
  const why = whyIn(cause);
  if (outcome === "NOTHING_DONE") {
    return {
      exit: EXITS.UNKNOWN,
      code: "UNREACHABLE",
      message: `the API did not answer (${why})`,
      advice: "npx holdfast status says what is there and what is not.",
    };
  }
  return {
    exit: EXITS.UNKNOWN,
    code: "OUTCOME_UNKNOWN",
    message: `the API did not answer (${why}): it is not known whether it was done`,
    advice: `The same command with --key ${idempotencyKey} finds out, and does it once at most.`,
    members: { idempotencyKey },
  };
}

/** What was in the way: fetch itself only says that it failed. */
export function whyIn(error: unknown): string {
  if (error instanceof Error && error.cause instanceof Error) return messageOf(error.cause);
  return messageOf(error);
}

const AWAY = ["ECONNREFUSED", "ECONNRESET", "ENOTFOUND", "EAI_AGAIN", "ETIMEDOUT", "EHOSTUNREACH"];

function isUnreachable(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isUnreachable);
  return error instanceof Error && "code" in error && AWAY.includes(String(error.code));
}
