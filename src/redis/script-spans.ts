import { context, ROOT_CONTEXT, type Span, SpanKind, trace } from "@opentelemetry/api";
import { currentTracer, failSpan, traceparentOf } from "../tracing.ts";
import { READ_SCRIPTS, type ScriptName } from "./scripts.ts";

/**
 * The span in which a request asks for its part of a script call. `own` is false of one that asks for very
 * many, as a bulk request or a sweep: the first parts have spans of their own, the others count as its.
 */
export type AskingSpan = { span: Span; own: boolean };

/** How many parts of one span have a span of their own. */
const OWN_SPANS_MAX = 16;
const asked = new WeakMap<Span, number>();

/** Undefined unless the request is traced. */
export function startAsking(script: ScriptName): AskingSpan | undefined {
  const tracer = currentTracer();
  const parent = tracer && trace.getActiveSpan();
  if (!parent?.isRecording()) return undefined;
  const count = (asked.get(parent) ?? 0) + 1;
  asked.set(parent, count);
  if (count > OWN_SPANS_MAX) return { span: parent, own: false };
  const span = tracer?.startSpan(script, { kind: SpanKind.INTERNAL }, context.active());
  return span && { span, own: true };
}

/** @param outcome the word of the reply */
export function endAsking(asking: AskingSpan | undefined, outcome: string): void {
  if (!asking?.own) return;
  asking.span.setAttribute("holdfast.outcome", outcome);
  asking.span.end();
}

/** @param outcome what is known of a request that got no reply */
export function failAsking(asking: AskingSpan | undefined, outcome: string): void {
  if (!asking?.own) return;
  failSpan(asking.span, outcome);
  asking.span.end();
}

/**
 * The span of a call, which serves a batch. It belongs to the trace of the first request in it that is
 * traced; the others and it are linked to each other. So it is there whenever one of them is sampled.
 */
export function startCall(
  script: ScriptName,
  batch: { asking: AskingSpan | undefined }[],
): Span | undefined {
  const tracer = currentTracer();
  if (!tracer) return undefined;
  const [first, ...others] = new Set(batch.flatMap(({ asking }) => asking?.span ?? []));
  if (!first) return undefined;
  const size = batch.length > 1 ? { "db.operation.batch.size": batch.length } : {};
  const call = tracer.startSpan(
    `EVALSHA ${script}`,
    {
      kind: SpanKind.CLIENT,
      attributes: {
        "db.system.name": "redis",
        "db.operation.name": "EVALSHA",
        "db.stored_procedure.name": script,
        ...size,
      },
      links: others.map((span) => ({ context: span.spanContext() })),
    },
    trace.setSpan(ROOT_CONTEXT, first),
  );
  for (const span of others) span.addLink({ context: call.spanContext() });
  return call;
}

/**
 * The first argument of a call: how many requests it has, and the traceparent of each that is traced, for its
 * events (lua/lib/events.lua).
 */
export function countArgument(
  script: ScriptName,
  batch: { asking: AskingSpan | undefined }[],
): string {
  if (!currentTracer() || READ_SCRIPTS.has(script)) return String(batch.length);
  const traced = batch.map(({ asking }, i) =>
    asking ? ` ${i + 1}=${traceparentOf(asking.span)}` : "",
  );
  return batch.length + traced.join("");
}
