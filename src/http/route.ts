import type { Request, Response } from "express";
import { z } from "zod";
import { BODY_BYTES_MAX } from "../domain/limits.ts";
import { Rejection } from "../domain/rejection.ts";
import type { Role } from "../domain/roles.ts";
import { monotonicNow } from "../now.ts";
import { scopedKey } from "./access/caller.ts";
import { type Owned, ofOwnCustomer, refuseOthers } from "./access/owned.ts";
import { answer, answerUnlessKnown, contextOf, type RequestContext } from "./answer.ts";
import { hasBody, readJson } from "./body.ts";
import { customerIn } from "./limits/customer.ts";
import { idempotencyKeyHeader, ifMatchHeader, parse } from "./parse.ts";
import { canWait, preferredWait, whenRecorded } from "./prefer.ts";
import type { ProblemCode } from "./problem-kinds.ts";

const NOTHING = z.strictObject({});
type Nothing = typeof NOTHING;

export const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"] as const;
export type Method = (typeof METHODS)[number];
export type Handler = (req: Request, res: Response) => Promise<void> | void;

/** One good answer of a route, for the document. */
export type AnswerSpec = {
  description: string;
  /** A string is an answer that is no JSON: its media type. Without one, the answer is empty. */
  body?: z.ZodType | string;
  example?: unknown;
  /** Headers that only this answer has, each with a sentence on what it says. */
  headers?: Record<string, string>;
};

/** What is known of a route beside its code: /openapi.json is made of it. */
export type RouteSpec = {
  method: Method;
  /** As OpenAPI writes it: `/v1/reservations/{id}:confirm`. */
  path: string;
  tag: string;
  /** A caller needs one of these. */
  roles: readonly Role[] | "PUBLIC";
  /** Whose it is, for callers that are bound to one customer. Without it they may not call. */
  owned?: Owned;
  summary: string;
  description?: string;
  params?: z.ZodObject | undefined;
  query?: z.ZodObject | undefined;
  /** Parameters that may be left out, but not all: with these it can be tried. */
  query_example?: Record<string, unknown>;
  body?: z.ZodType | undefined;
  body_example?: unknown;
  /** Further ways to write the body, by media type. Such a route reads its body itself. */
  body_types?: Record<string, { description: string; example: string }>;
  body_bytes_max?: number;
  idempotency_key?: "REQUIRED" | "OPTIONAL";
  /** Understands `If-Match: "<version>"`. */
  if_match?: boolean;
  /** A read of /v1: its answer has an ETag, and says how far what it is read from is behind. */
  projection?: boolean;
  answers: Record<number, AnswerSpec>;
  /** Its own problems. What every route may answer is added by openapi.ts. */
  problems?: ProblemCode[];
};

/** A route, ready to be mounted. */
export type Route = { spec: RouteSpec; serve: Handler };

/** A good answer. */
export type Reply = {
  status: number;
  body: unknown;
  headers?: Record<string, string>;
  /** It is the answer to an earlier request with the same idempotency key. */
  replayed?: boolean;
  /** How far what was read is behind what was decided, in ms. */
  lag_ms?: number;
};

/** A request whose every part was parsed. */
export type Input<Params, Query, Body> = {
  params: Params;
  query: Query;
  body: Body;
  /** Its Idempotency-Key header, in the caller's scope; "" where none is required and there is none. */
  key: string;
  if_version: number | undefined;
  context: RequestContext;
  res: Response;
};

type Described<P, Q, B> = Omit<RouteSpec, "params" | "query" | "body"> & {
  params?: P;
  query?: Q;
  body?: B;
};

/**
 * Describes a route and says what it does: parse → `handle` → answer. What it throws is a problem, which
 * app.ts answers.
 * @param request_budget_ms how long the caller waits for an answer, from when its request is complete: less
 * what it took to find out who it is
 */
export function route<
  P extends z.ZodObject = Nothing,
  Q extends z.ZodObject = Nothing,
  B extends z.ZodType = Nothing,
>(
  described: Described<P, Q, B>,
  request_budget_ms: number,
  handle: (input: Input<z.output<P>, z.output<Q>, z.output<B>>) => Promise<Reply> | Reply,
): Route {
  const { params, query, body, owned, projection, body_bytes_max = BODY_BYTES_MAX } = described;
  const customerOf = customerIn(described);
  // What needs no member needs no body either.
  const body_optional = body?.safeParse({}).success ?? true;
  const readBody = async (req: Request) =>
    body_optional && !hasBody(req) ? undefined : readJson(req, body_bytes_max);

  async function serve(req: Request, res: Response) {
    const context = contextOf(res);
    const { caller } = context;
    const spent_ms = performance.now() - context.started;
    const ofOwn = (given: unknown) => ofOwnCustomer(owned, caller, given);
    const input = {
      params: parsed(params, req.params, "path"),
      query: parsed(query, body ? req.query : ofOwn(req.query), "query"),
      body: parsed(body, body && ofOwn(await readBody(req))),
      key: scopedKey(caller, keyOf(req, described.idempotency_key)),
      if_version: described.if_match ? ifMatchHeader(req) : undefined,
      context,
      res,
    };
    // How slowly a caller sends is its own affair. But what it took to find out who it is, is ours.
    if (body) context.deadline = monotonicNow() + request_budget_ms - spent_ms;
    if (caller.customer !== undefined) {
      const named = Object.assign({}, input.params, input.query, input.body);
      await refuseOthers(owned, caller, named, context.checkOwner);
    }
    const customer = context.spendOfCustomer && customerOf(input.body);
    if (customer !== undefined) await context.spendOfCustomer?.(customer);
    const wait_ms = canWait(described) ? preferredWait(req) : undefined;
    const decided = await handle(input);
    const reply =
      wait_ms === undefined ? decided : await whenRecorded(decided, wait_ms, context.untilRecorded);
    for (const [name, value] of Object.entries(reply.headers ?? {})) res.setHeader(name, value);
    if (reply.replayed) res.setHeader("Idempotent-Replayed", "true");
    if (reply.lag_ms !== undefined) res.setHeader("X-Projection-Lag-ms", Math.ceil(reply.lag_ms));
    if (projection) answerUnlessKnown(req, res, reply.body);
    else answer(res, reply.status, reply.body);
  }

  const spec: RouteSpec = { ...described, params, query, body };
  return { spec, serve };
}

/** A route that answers by itself, for what is no JSON. */
export const rawRoute = (spec: RouteSpec, serve: Handler): Route => ({ spec, serve });

// A part that is not described must not be there either, so that a typo is noticed.
function parsed<S extends z.ZodType>(
  schema: S | undefined,
  value: unknown,
  place?: "path" | "query",
): z.output<S> {
  const given = value === undefined ? {} : value;
  return parse((schema ?? NOTHING) as S, given, place); // S is NOTHING's type when there is none
}

function keyOf(req: Request, rule: RouteSpec["idempotency_key"]): string {
  if (rule === "REQUIRED") return requiredKey(req);
  return (rule && idempotencyKeyHeader(req)) ?? "";
}

/** @throws Rejection IDEMPOTENCY_KEY_MISSING, or INVALID_REQUEST when it is no key */
export function requiredKey(req: Request): string {
  const key = idempotencyKeyHeader(req);
  if (key !== undefined) return key;
  throw new Rejection("IDEMPOTENCY_KEY_MISSING", "Send an Idempotency-Key header.");
}
