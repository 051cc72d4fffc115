import { expect } from "@jest/globals";
import { decide } from "./decide.ts";
import type { Decision, Model } from "./model.ts";
import type { Answer, Request } from "./requests.ts";
import { saw } from "./seen.ts";

/** Looks whether this was the answer to give, and lets the model go the same way. */
export function follow(model: Model, request: Request, answer: Answer) {
  const { from, to } = model.span;
  let decision = decide(model, request, answer, to);
  // Deadlines may have passed just while it was asked; then what was right at any moment of it is right.
  for (let now = to - 1; now >= from && !isTold(decision, answer); now -= 1) {
    decision = decide(model, request, answer, now);
  }
  expect({ request, answer }).toEqual({ request, answer: answerOf(decision) });
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
