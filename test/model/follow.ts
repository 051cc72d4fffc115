import { expect } from "@jest/globals";
import { decide } from "./decide.ts";
import type { Model } from "./model.ts";
import type { Answer, Request, Span } from "./requests.ts";

const seen = new Map<string, number>();

/** Notes that something has occurred, for a test that must not pass without it. */
export const saw = (what: string) => seen.set(what, (seen.get(what) ?? 0) + 1);
export const timesSeen = (what: string) => seen.get(what) ?? 0;

/** Looks whether this was the answer to give, and lets the model go the same way. */
export function follow(model: Model, request: Request, answer: Answer, span: Span) {
  const early = decide(model, request, answer, span.from);
  // A deadline may have passed just while it was asked; then either answer is right.
  const decision = early.word === answer.word ? early : decide(model, request, answer, span.to);
  const expected = { ...decision.says, word: decision.word };
  expect({ request, answer }).toEqual({ request, answer: expected });
  decision.effect?.(span);
  const what = request.does === "purchase" ? `purchase ${request.policy}` : request.does;
  saw(`${what} ${answer.word}`);
}
