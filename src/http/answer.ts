import { hash } from "node:crypto";
import type { Request, Response } from "express";
import type { Doer } from "../domain/deed.ts";
import { httpRequests, httpSeconds } from "../metrics.ts";
import { actorOf } from "../redis/deciding.ts";
import type { Caller } from "./access/caller.ts";
import type { OwnerCheck } from "./access/owned.ts";

/** What is known of a request from its head on. */
export type RequestContext = {
  request_id: string;
  started: number;
  /** Local ms until which the caller gets an answer. */
  deadline: number;
  /** The route's pattern, for metrics; set once a route has matched. */
  route: string;
  /** What it was refused with, or failed with. */
  problem_code?: string;
  /** Who calls: NOBODY until that was asked, and on public routes. */
  caller: Caller;
  /** The caller's name, for the history of what it changes; undefined when it has none. */
  actor: string | undefined;
  /** Rejects as if there were no such thing, when it is not that customer's. */
  checkOwner: (...thing: Parameters<OwnerCheck>) => Promise<void>;
  /** Spends one of that customer's requests, where there is a limit; rejects when none is left. */
  spendOfCustomer: ((customer: string) => void | Promise<void>) | undefined;
  /** Whether everything decided until now is recorded, within `ms`. */
  untilRecorded: (ms: number) => Promise<boolean>;
};

/** Whose name goes with what a request changes. */
export const doerOf = (context: RequestContext): Doer => ({
  who: actorOf(context),
  request_id: context.request_id,
});

export const contextOf = (res: Response): RequestContext => res.locals.context;

/** The only way an answer leaves the API's own routes: status, JSON, count. */
export function answer(
  res: Response,
  status: number,
  body: unknown,
  type = "application/json",
): void {
  // The caller may have gone, and its answer with it.
  if (res.headersSent || res.destroyed) return;
  send(res, status, JSON.stringify(body), type);
}

/** Answers a read with its ETag; 304 and no body when the caller has just this already. */
export function answerUnlessKnown(req: Request, res: Response, body: unknown): void {
  const bytes = JSON.stringify(body);
  answerBytesUnlessKnown(req, res, { bytes, type: "application/json", etag: etagOf(bytes) });
}

/** What is answered again and again as it is. */
export type Bytes = { bytes: string | Buffer; type: string; etag: string };

export const etagOf = (bytes: string | Buffer) =>
  `"${hash("sha256", bytes, "base64url").slice(0, 22)}"`;

/** The same for what is no JSON, or is known for longer. */
export function answerBytesUnlessKnown(
  req: Request,
  res: Response,
  { bytes, type, etag }: Bytes,
): void {
  if (res.headersSent || res.destroyed) return;
  res.setHeader("ETag", etag);
  // May be kept, and must be asked about each time, unless the route says otherwise.
  if (!res.hasHeader("Cache-Control")) res.setHeader("Cache-Control", "no-cache");
  if (isNamed(etag, req.headers["if-none-match"])) send(res, 304);
  else send(res, 200, bytes, type);
}

function send(res: Response, status: number, body?: string | Buffer, type?: string): void {
  res.statusCode = status;
  if (body !== undefined && type !== undefined) {
    res.setHeader("Content-Type", type);
    res.setHeader("Content-Length", Buffer.byteLength(body));
  }
  res.end(body);
  countAnswer(res, status);
}

/** For answers that a route sends by itself: counts it, once it has ended. */
export function countAnswer(res: Response, status: number): void {
  const { route, started } = contextOf(res);
  httpRequests.inc({ route, status });
  httpSeconds.observe({ route }, (performance.now() - started) / 1000);
}

// A read compares weakly (RFC 9110, 13.1.2): `W/` before a tag makes no difference.
function isNamed(etag: string, if_none_match: string | undefined): boolean {
  if (if_none_match === undefined) return false;
  const tags = if_none_match.split(",").map((tag) => tag.trim().replace(/^W\//, ""));
  return tags.includes(etag) || tags.includes("*");
}
