import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { BODY_BYTES_MAX } from "../domain/limits.ts";
import { httpRequests, shedRequests } from "../metrics.ts";
import { type Batcher, WAIT_PART_MAX } from "../redis/batcher.ts";
import { Overloaded } from "../redis/outcome.ts";
import type { ScriptName } from "../redis/scripts.ts";
import { requestIdOf } from "./app.ts";
import { createFlow } from "./flow.ts";
import { overloaded, problemBody } from "./problem.ts";
import { PROBLEMS } from "./problem-kinds.ts";

/** What a rush asks for, and the script that would decide it. */
const RUSH: ReadonlyMap<string, ScriptName> = new Map([
  ["/holds/reserve", "create_holds"],
  ["/v1/reservations", "create_holds"],
  ["/v1/purchase", "create_purchases"],
]);

/**
 * Answered in one turn of the event loop. Thousands who ask again as soon as they are refused would be read
 * for seconds on end, while nothing else is done. So they wait a little: the others go first.
 */
const A_TURN_MAX = 64;

const TOO_MANY = new Overloaded("Too many requests are under way.");

/**
 * Answers requests of a rush that would be refused anyway, before anything is done for them: no route is
 * looked up, no body read. So a process that gets many times what it can do has time left for doing it. All
 * others go on to `app`.
 */
export function refuseEarly(
  app: RequestListener,
  { refusal, request_budget_ms }: { refusal: Batcher["refusal"]; request_budget_ms: number },
): RequestListener {
  const refused: (() => void)[] = [];
  const flow = createFlow();

  function overloadOf(script: ScriptName): Overloaded | null {
    const overload = refusal(script, request_budget_ms);
    if (overload) return overload;
    return flow.msOfNext() > request_budget_ms * WAIT_PART_MAX ? TOO_MANY : null;
  }

  function answerSome() {
    for (const answer of refused.splice(0, A_TURN_MAX)) answer();
    if (refused.length > 0) setImmediate(answerSome);
  }

  return (req, res) => {
    const script = req.method === "POST" ? RUSH.get(req.url ?? "") : undefined;
    const overload = script && overloadOf(script);
    if (!overload) {
      if (script) {
        flow.begin();
        res.once("close", () => flow.end(res.writableFinished && res.statusCode < 500));
      }
      app(req, res);
      return;
    }
    if (refused.push(() => refuse(req, res, overload)) === 1) setImmediate(answerSome);
  };
}

function refuse(req: IncomingMessage, res: ServerResponse, overload: Overloaded) {
  if (res.destroyed) return;
  const request_id = requestIdOf(req);
  const problem = overloaded(overload);
  const { status } = PROBLEMS[problem.code];
  const body = JSON.stringify(problemBody(problem, request_id));
  // Node reads what is left of the body and throws it away; a long one is not worth it.
  if (!(Number(req.headers["content-length"] ?? 0) <= BODY_BYTES_MAX) || isChunked(req)) {
    res.setHeader("Connection", "close");
  }
  res.writeHead(status, {
    "X-Request-Id": request_id,
    "Retry-After": problem.retry_after,
    "Content-Type": "application/problem+json",
    "Content-Length": Buffer.byteLength(body),
  });
  res.end(body);
  httpRequests.inc({ route: req.url ?? "", status });
  shedRequests.inc({ because: overload.because });
}

const isChunked = ({ headers }: IncomingMessage) => "transfer-encoding" in headers;
