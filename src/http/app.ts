import express, { type NextFunction, type Request, type Response } from "express";
import { newRequestId } from "../domain/ids.ts";
import { Rejection } from "../domain/rejection.ts";
import type { Log } from "../log.ts";
import { monotonicNow } from "../now.ts";
import type { Ledger } from "../postgres/ledger.ts";
import type { Inventory } from "../redis/inventory.ts";
import { contextOf, type RequestContext } from "./answer.ts";
import { createHoldRoutes } from "./holds.ts";
import { sendProblem } from "./problem.ts";
import { problemPage } from "./problem-page.ts";

const SANE_REQUEST_ID = /^[A-Za-z0-9._:-]{1,128}$/;

export type AppDeps = {
  inventory: Inventory;
  ledger: Ledger;
  log: Log;
  default_store: string;
  /** How long a caller waits for an answer at most. */
  request_budget_ms: number;
  /** Answers /health, /ready and /metrics. */
  health: Handler;
  /** Further routes: the benchmark measures one that does nothing. */
  more_routes?: Route[];
};

type Handler = (req: Request, res: Response) => Promise<void> | void;
export type Route = { method: "GET" | "POST"; path: string; handle: Handler };

/** The API, in reading order: what every request gets, the routes, what is no route, problems. */
export function createApp(deps: AppDeps) {
  const app = express();
  app.disable("x-powered-by");
  app.disable("etag");
  app.set("query parser", "simple");

  app.use((req, res, next) => {
    const request_id = requestIdOf(req);
    res.locals.context = {
      request_id,
      started: performance.now(),
      deadline: monotonicNow() + deps.request_budget_ms,
      route: "none",
    } satisfies RequestContext;
    res.setHeader("X-Request-Id", request_id);
    // HTTP/1.1 demands it. The server leaves the refusal to us, so that it is a problem like any other.
    if (req.headers.host === undefined && req.httpVersion === "1.1") {
      throw new Rejection("INVALID_REQUEST", "The Host header is missing.");
    }
    if (deps.log.isLevelEnabled("debug")) res.once("close", () => logRequest(req, res));
    next();
  });

  const holds = createHoldRoutes(deps);
  route("POST", "/holds/reserve", holds.reserve);
  route("POST", "/holds/confirm", holds.confirm);
  route("POST", "/holds/cancel", holds.cancel);
  route("GET", "/holds/:hold_id", holds.read);
  route("GET", "/problems/:slug", problemPage);
  for (const path of ["/health", "/ready", "/metrics"]) route("GET", path, deps.health);
  for (const { method, path, handle } of deps.more_routes ?? []) route(method, path, handle);

  app.use(() => {
    throw new Rejection("NOT_FOUND", "There is nothing at this address.");
  });
  app.use((error: unknown, req: Request, res: Response, _next: NextFunction) => {
    answerProblem(req, res, error);
  });
  return app;

  function answerProblem(req: Request, res: Response, error: unknown) {
    // What is left of a body nobody will read would be taken for the next request.
    if (!req.complete && hasBody(req)) res.setHeader("Connection", "close");
    sendProblem(res, error, deps.log);
  }

  // Only at debug: in a sale the metrics count requests, and logs are for what somebody must know.
  function logRequest(req: Request, res: Response) {
    const { request_id, route, started } = contextOf(res);
    const ms = Math.round(performance.now() - started);
    deps.log.debug(
      { request_id, method: req.method, route, status: res.statusCode, ms },
      "request",
    );
  }

  function route(method: Route["method"], path: string, handle: Handler) {
    // Answers its problems itself: Express would first match the address against all routes behind this one.
    const named = async (req: Request, res: Response) => {
      res.locals.context.route = path;
      try {
        await handle(req, res);
      } catch (error) {
        answerProblem(req, res, error);
      }
    };
    const entry = app.route(path);
    if (method === "GET") entry.get(named);
    else entry.post(named);
    entry.all((req, res) => {
      res.setHeader("Allow", method === "GET" ? "GET, HEAD" : method);
      throw new Rejection("METHOD_NOT_ALLOWED", `${req.method} is not possible here.`);
    });
  }
}

const hasBody = ({ headers }: Request) =>
  "transfer-encoding" in headers || Number(headers["content-length"] ?? 0) > 0;

// The caller's, if it is sane, so that one id leads through its logs and ours.
function requestIdOf(req: Request): string {
  const given = req.headers["x-request-id"] ?? req.headers["x-trace-id"];
  return typeof given === "string" && SANE_REQUEST_ID.test(given) ? given : newRequestId();
}
