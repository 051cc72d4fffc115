import { Agent, request as httpRequest, type IncomingMessage } from "node:http";
import { monotonicNow } from "../../src/now.ts";
import { callOf, readAnswer } from "./calls.ts";
import type { Outcome, Request } from "./journal.ts";

/** The API's own time for a request, its default. */
export const BUDGET_MS = 2_000;
/** What comes on top of it before a request counts as hung: all of this shares one machine. */
export const SLACK_MS = 2_000;
const SOCKETS_MAX = 1_000;

/** One attempt, as the journal has it. */
export type Attempt = {
  sent_at: number;
  ended_at: number;
  frozen_ms: number;
  outcome: Outcome;
  /** What a 503 asked for. */
  retry_after_ms: number;
};

export type Asker = ReturnType<typeof createAsker>;

/**
 * Asks the API as a shopper's checkout does, over connections that are kept.
 * @param frozenMs how long the API was frozen between two times
 */
export function createAsker(url: string, frozenMs: (from: number, to: number) => number) {
  const agent = new Agent({ keepAlive: true, maxSockets: SOCKETS_MAX });

  /** @param cut_after_ms when the shopper loses patience, and the connection is cut */
  function ask(request: Request, key: string, cut_after_ms?: number): Promise<Attempt> {
    return new Promise((resolve) => {
      const sent_at = monotonicNow();
      const sent = send(request, key);
      const timers = new Set<NodeJS.Timeout>();
      let ended = false;

      function end(outcome: Outcome, retry_after_ms = 0) {
        if (ended) return;
        ended = true;
        for (const timer of timers) clearTimeout(timer);
        if (outcome.end !== "ANSWERED") sent.destroy();
        const ended_at = monotonicNow();
        const frozen_ms = frozenMs(sent_at, ended_at);
        resolve({ sent_at, ended_at, frozen_ms, outcome, retry_after_ms });
      }

      // A frozen process answers nobody, and can't help it: its time stands still.
      function endIfHung() {
        const left_ms = BUDGET_MS + SLACK_MS + frozenMs(sent_at, monotonicNow()) - since(sent_at);
        if (left_ms > 0) timers.add(setTimeout(endIfHung, left_ms));
        // What has arrived while we were busy ourselves counts: it is read before this is called.
        else setImmediate(() => setImmediate(() => end({ end: "HUNG" })));
      }

      timers.add(setTimeout(endIfHung, BUDGET_MS + SLACK_MS));
      if (cut_after_ms !== undefined) {
        timers.add(setTimeout(() => end({ end: "CUT" }), cut_after_ms));
      }
      sent.on("error", () => end({ end: "BROKEN" }));
      sent.on("response", (response) => {
        readAnswer(response).then(
          (answer) => end({ end: "ANSWERED", answer }, retryAfterMs(response)),
          () => end({ end: "BROKEN" }),
        );
      });
    });
  }

  function send(request: Request, key: string) {
    const { method, path, body } = callOf(request);
    const json = body ? JSON.stringify(body) : "";
    const sent = httpRequest(`${url}${path}`, {
      method,
      agent,
      headers: {
        "Content-Type": "application/json",
        "Content-Length": Buffer.byteLength(json),
        "Idempotency-Key": key,
      },
    });
    sent.end(json);
    return sent;
  }

  return { ask, close: () => agent.destroy() };
}

const since = (at: number) => monotonicNow() - at;

const retryAfterMs = ({ headers }: IncomingMessage) => (Number(headers["retry-after"]) || 0) * 1000;
