import { context, propagation, ROOT_CONTEXT, SpanKind, trace } from "@opentelemetry/api";
import type { NextFunction, Request, Response } from "express";
import { currentTracer, failSpan } from "../tracing.ts";
import { contextOf } from "./answer.ts";

/** Asked every few seconds by machines: nobody looks for their traces. */
const UNTRACED: ReadonlySet<string> = new Set(["/health", "/ready", "/metrics"]);

/**
 * A span for each request, in the trace of its caller (W3C traceparent), with its route and status as the
 * conventions of OpenTelemetry call them. Of what the caller has sent it has the request's id alone; not the
 * path, which names holds and skus. What early-refusal.ts refuses has none: in a rush these would be all that
 * fits into the queue of spans.
 */
export function traceRequest(req: Request, res: Response, next: NextFunction): void {
  const tracer = currentTracer();
  if (!tracer || UNTRACED.has(req.path)) {
    next();
    return;
  }
  const parent = propagation.extract(ROOT_CONTEXT, req.headers);
  const attributes = { "http.request.method": req.method, "url.scheme": "http" };
  const span = tracer.startSpan(req.method, { kind: SpanKind.SERVER, attributes }, parent);
  if (!span.isRecording()) {
    next();
    return;
  }

  res.once("close", () => {
    const { request_id, route, problem_code } = contextOf(res);
    const status = res.statusCode;
    span.setAttribute("holdfast.request_id", request_id);
    if (route !== "none") {
      span.updateName(`${req.method} ${route}`);
      span.setAttribute("http.route", route);
    }
    if (problem_code !== undefined) span.setAttribute("holdfast.problem_code", problem_code);
    if (res.writableFinished) span.setAttribute("http.response.status_code", status);
    if (!res.writableFinished) failSpan(span, "CLIENT_GONE");
    else if (status >= 500) failSpan(span, problem_code ?? String(status));
    span.end();
  });
  context.with(trace.setSpan(parent, span), next);
}
