import type { IncomingMessage } from "node:http";
import express, { type NextFunction, type Request, type Response } from "express";
import { newRequestId } from "../domain/ids.ts";
import { HEADERS_MAX } from "../domain/limits.ts";
import { Rejection } from "../domain/rejection.ts";
import type { Role } from "../domain/roles.ts";
import type { Log } from "../log.ts";
import { monotonicNow } from "../now.ts";
import { admit, identify } from "./access/access.ts";
import { NOBODY } from "./access/caller.ts";
import { createOwnerCheck } from "./access/owners.ts";
import { contextOf, type RequestContext } from "./answer.ts";
import { hasBody } from "./body.ts";
import type { RouteDeps } from "./deps.ts";
import { identifyLimited } from "./limits/identify-limited.ts";
import type { Limits } from "./limits/limits.ts";
import { sendProblem } from "./problem.ts";
import type { Handler, Method, Route, RouteSpec } from "./route.ts";
import { createRoutes } from "./routes.ts";
import { traceRequest } from "./traced.ts";

const SANE_REQUEST_ID = /^[A-Za-z0-9._:-]{1,128}$/;

export type AppDeps = RouteDeps & {
  /** Further routes: the benchmark measures one that does nothing. */
  more_routes?: Route[];
  /** How many requests each may send; without it, any number. */
  limits?: Limits | null;
  /** Whose X-Forwarded-For is believed: so many proxies, or those with these addresses. */
  trust_proxy?: number | string[] | undefined;
};

/** The API, in reading order: what every request gets, the routes, what is no route, problems. */
export function createApp(deps: AppDeps) {
  const app = express();
  app.disable("x-powered-by");
  app.disable("etag");
  app.set("query parser", "simple");
  app.set("trust proxy", deps.trust_proxy ?? false);

  const { limits } = deps;
  const checkOwner = createOwnerCheck(deps);
  app.use((req, res, next) => {
    const request_id = requestIdOf(req);
    res.locals.context = {
      request_id,
      started: performance.now(),
      deadline: monotonicNow() + deps.request_budget_ms,
      route: "none",
      caller: NOBODY,
      actor: undefined,
      checkOwner: (kind, id, customer) => checkOwner(kind, id, customer, contextOf(res)),
      spendOfCustomer: limits ? (customer) => limits.ofCustomer(customer, res) : undefined,
      untilRecorded: deps.untilRecorded,
    } satisfies RequestContext;
    res.setHeader("X-Request-Id", request_id);
    // HTTP/1.1 demands it. The server leaves the refusal to us, so that it is a problem like any other.
    if (req.headers.host === undefined && req.httpVersion === "1.1") {
      throw new Rejection("INVALID_REQUEST", "The Host header is missing.");
    }
    if (req.rawHeaders.length > 2 * HEADERS_MAX) {
      res.setHeader("Connection", "close"); // one that was left out may have said that there is a body
      throw new Rejection("HEADERS_TOO_LARGE", `Send at most ${HEADERS_MAX} headers.`);
    }
    if (deps.log.isLevelEnabled("debug")) res.once("close", () => logRequest(deps.log, req, res));
    traceRequest(req, res, next);
  });

  const routes = [...createRoutes(deps), ...(deps.more_routes ?? [])];
  for (const [path, of_path] of Map.groupBy(routes, ({ spec }) => spec.path)) mount(path, of_path);

  app.use(() => {
    throw new Rejection("NOT_FOUND", "There is nothing at this address.");
  });
  app.use((error: unknown, req: Request, res: Response, _next: NextFunction) => {
    answerProblem(req, res, error, deps.log);
  });
  return app;

  function mount(path: string, of_path: Route[]) {
    const entry = app.route(expressPath(path));
    for (const { spec, serve } of of_path) {
      entry[MOUNT_METHODS[spec.method]](answersItsProblems(spec, serve));
    }
    const methods = of_path.map(({ spec }) => (spec.method === "GET" ? "GET, HEAD" : spec.method));
    entry.all((req, res) => {
      res.setHeader("Allow", methods.join(", "));
      throw new Rejection("METHOD_NOT_ALLOWED", `${req.method} is not possible here.`);
    });
  }

  async function callerOf(roles: readonly Role[], path: string, req: Request, res: Response) {
    const { access } = deps;
    const found = limits
      ? await identifyLimited(limits, access, { path, req, res })
      : await identify(access, req);
    return admit(found, roles, res);
  }

  // Express would first match the address against all routes behind this one.
  function answersItsProblems({ path, roles }: RouteSpec, serve: Handler): Handler {
    return async (req, res) => {
      const context = contextOf(res);
      context.route = path;
      try {
        if (roles !== "PUBLIC") {
          context.caller = await callerOf(roles, path, req, res);
          context.actor = context.caller.name || undefined;
        }
        await serve(req, res);
      } catch (error) {
        answerProblem(req, res, error, deps.log);
      }
    };
  }
}

const MOUNT_METHODS = {
  GET: "get",
  POST: "post",
  PUT: "put",
  PATCH: "patch",
  DELETE: "delete",
} as const satisfies {
  [method in Method]: string;
};

// OpenAPI writes `{id}:confirm`, where Express takes a bare colon for a parameter of its own.
const expressPath = (path: string) => path.replaceAll(":", "\\:").replaceAll(/\{(\w+)\}/g, ":$1");

function answerProblem(req: Request, res: Response, error: unknown, log: Log) {
  // What is left of a body nobody will read would be taken for the next request.
  if (!req.complete && hasBody(req)) res.setHeader("Connection", "close");
  sendProblem(res, error, log);
}

// Only at debug: in a sale the metrics count requests, and logs are for what somebody must know.
function logRequest(log: Log, req: Request, res: Response) {
  const { request_id, route, started, caller } = contextOf(res);
  const ms = Math.round(performance.now() - started);
  const who = caller.name === "" ? {} : { caller: caller.name };
  const { statusCode: status } = res;
  log.debug({ request_id, ...who, method: req.method, route, status, ms }, "request");
}

// The caller's, if it is sane, so that one id leads through its logs and ours.
export function requestIdOf(req: IncomingMessage): string {
  const given = req.headers["x-request-id"] ?? req.headers["x-trace-id"];
  return typeof given === "string" && SANE_REQUEST_ID.test(given) ? given : newRequestId();
}
