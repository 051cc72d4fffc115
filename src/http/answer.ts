import type { Response } from "express";
import { httpRequests, httpSeconds } from "../metrics.ts";

/** What is known of a request from its head on. */
export type RequestContext = {
  request_id: string;
  started: number;
  /** Local ms until which the caller gets an answer. */
  deadline: number;
  /** The route's pattern, for metrics; set once a route has matched. */
  route: string;
};

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
  const text = JSON.stringify(body);
  res.statusCode = status;
  res.setHeader("Content-Type", type);
  res.setHeader("Content-Length", Buffer.byteLength(text));
  res.end(text);
  const { route, started } = contextOf(res);
  httpRequests.inc({ route, status });
  httpSeconds.observe({ route }, (performance.now() - started) / 1000);
}
