import {
  type Attributes,
  context,
  type Link,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import { within } from "./within.ts";

/** A span has so many links at most: the SDK would leave out what is more without a word. */
export const LINKS_MAX = 128;
/** Part of the second that is left of a shutdown once all requests are answered: src/shutdown.ts. */
const FLUSH_MS_MAX = 500;

/** Makes the spans. There is none while nobody has asked for traces: then a span costs one look at this. */
let tracer: Tracer | undefined;
let flush = async () => {};

export const currentTracer = () => tracer;

/**
 * Begins to trace if there is a collector to send spans to; else the SDK is not even loaded.
 * @param report is told what the SDK complains of, once a minute at most
 */
export async function startTracing(
  { OTEL_EXPORTER_OTLP_ENDPOINT }: { OTEL_EXPORTER_OTLP_ENDPOINT?: string | undefined },
  service_name: string,
  report: (complaint: string) => void,
): Promise<void> {
  if (OTEL_EXPORTER_OTLP_ENDPOINT === undefined) return;
  const { startSdk } = await import("./tracing-sdk.ts");
  const sdk = startSdk(service_name, report);
  tracer = sdk.tracer;
  flush = sdk.stop;
}

/** Sends what was not sent yet, for half a second at most: no process stays for a collector that is away. */
export async function stopTracing(): Promise<void> {
  await within(FLUSH_MS_MAX, flush()).catch(() => {}); // these spans are lost, and nothing else
}

/**
 * Does `work` in a span, which is sampled as its parent is: the active span, or `about[0]`, which gets a link
 * to each of `about` as well. Attributes never have values that a caller has sent.
 */
export async function inSpan<T>(
  name: string,
  { kind = SpanKind.INTERNAL, attributes, about = [] }: SpanOptions,
  work: () => Promise<T>,
): Promise<T> {
  if (!tracer) return work();
  const links = about.slice(0, LINKS_MAX).flatMap(linkTo);
  const [first] = links;
  const parent = first ? trace.setSpanContext(ROOT_CONTEXT, first.context) : context.active();
  const span = tracer.startSpan(name, { kind, ...(attributes && { attributes }), links }, parent);
  try {
    return await context.with(trace.setSpan(parent, span), work);
  } catch (error) {
    // Not the message: nobody knows what is in it.
    failSpan(span, error instanceof Error ? error.name : "unknown");
    throw error;
  } finally {
    span.end();
  }
}

type SpanOptions = {
  kind?: SpanKind;
  attributes?: Attributes;
  /** W3C traceparents of what the work is about. */
  about?: string[];
};

/** Marks a span as failed; `type` is one of a few words, so that they can be counted. */
export function failSpan(span: Span, type: string): void {
  span.setAttribute("error.type", type);
  span.setStatus({ code: SpanStatusCode.ERROR });
}

/** What a log line says of the span in which it is written. */
export function spanFields(): { trace_id?: string; span_id?: string } {
  const span = tracer && trace.getActiveSpan();
  if (!span) return {};
  const { traceId: trace_id, spanId: span_id } = span.spanContext();
  return { trace_id, span_id };
}

const hex = (flags: number) => flags.toString(16).padStart(2, "0");

/** A span as W3C writes it, for an event. */
export function traceparentOf(span: Span): string {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return `00-${traceId}-${spanId}-${hex(traceFlags)}`;
}

const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

function linkTo(traceparent: string): Link[] {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(traceparent) ?? [];
  if (!traceId || !spanId || !flags) return [];
  return [{ context: { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true } }];
}
