import { expect } from "@jest/globals";
import { decide } from "./decide.ts";
import type { Decision, Model } from "./model.ts";
import type { Answer, Request } from "./requests.ts";
import { saw } from "./seen.ts";

/** Looks whether this was the answer to give, and lets the model go the same way. */
export function follow(model: Model, request: Request, answer: Answer) {
  const { from, to } = model.span;
  const late = decide(model, request, answer, to);
  // A deadline may have passed just while it was asked; then either answer is right.
  const is_late = isTold(late, answer);
  const decision = is_late ? late : decide(model, request, answer, from);
  if (!is_late) expect({ request, answer }).toEqual({ request, answer: answerOf(decision) });
  decision.effect?.();
  const does = request.does === "purchase" ? `purchase ${request.policy}` : request.does;
  saw(`${does} ${answer.word}`);
  if (decision.seen) saw(`${request.does} ${decision.seen}`);
}

const answerOf = ({ word, says }: Decision): Answer => ({ ...says, word });

function isTold(decision: Decision, answer: Answer): boolean {
  try {
    expect(answer).toEqual(answerOf(decision));
    return true;
  } catch {
    return false;
  }
}
