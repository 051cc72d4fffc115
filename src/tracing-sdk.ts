import { type DiagLogger, DiagLogLevel, diag, type Tracer } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} from "@opentelemetry/resources";
import { BatchSpanProcessor, NodeTracerProvider } from "@opentelemetry/sdk-trace-node";
import { monotonicNow } from "./now.ts";

const COMPLAIN_EVERY_MS = 60_000;

/**
 * OpenTelemetry's SDK, loaded by tracing.ts alone and only when it is wanted: 160 ms of a start. It reads the
 * standard's OTEL_ variables by itself. Spans wait in a queue of 2,048 (OTEL_BSP_MAX_QUEUE_SIZE) and are sent
 * in the background, one parcel at a time: when the collector is slow or away, further ones are dropped.
 */
export function startSdk(
  service_name: string,
  report: (complaint: string) => void,
): { tracer: Tracer; stop: () => Promise<void> } {
  diag.setLogger(createDiagLogger(report), DiagLogLevel.WARN);
  const resource = defaultResource()
    .merge(resourceFromAttributes({ "service.name": service_name, "process.pid": process.pid }))
    .merge(detectResources({ detectors: [envDetector] }));
  const spanProcessors = [new BatchSpanProcessor(new OTLPTraceExporter())];
  const provider = new NodeTracerProvider({ resource, spanProcessors });
  provider.register();
  return { tracer: provider.getTracer("holdfast"), stop: () => provider.shutdown() };
}

// While the collector is away it would complain of every parcel.
function createDiagLogger(report: (complaint: string) => void): DiagLogger {
  let next_at = 0;
  const complain = (message: string) => {
    if (monotonicNow() < next_at) return;
    next_at = monotonicNow() + COMPLAIN_EVERY_MS;
    report(message.slice(0, 300));
  };
  const ignore = () => {};
  return { error: complain, warn: complain, info: ignore, debug: ignore, verbose: ignore };
}
