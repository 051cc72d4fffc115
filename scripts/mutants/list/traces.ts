import type { Mutant } from "../mutant.ts";

const TRACES = ["test/main/traces.test.ts"];
const SCRIPT_TRACES = ["test/lua/traces.test.ts"];

/** What leads from a request to its event and its recording, and what must not stand in it. */
export const TRACING: Mutant[] = [
  {
    name: "event-without-trace",
    breaks: "an event does not say in which trace it was made",
    promise: "G7",
    file: "lua/lib/events.lua",
    text: "  if traceparents then payload = traced(payload) end\n",
    instead: "",
    tests: SCRIPT_TRACES,
  },
  {
    name: "trace-of-the-first",
    breaks: "all events of a batch have the trace of its first request",
    promise: "G7",
    file: "lua/lib/events.lua",
    text: "local traceparent = traceparents[deciding]",
    instead: "local _, traceparent = next(traceparents)",
    tests: SCRIPT_TRACES,
  },
  {
    name: "trace-of-the-one-before",
    breaks: "a trace is told of the request before its own",
    promise: "G7",
    file: "src/redis/script-spans.ts",
    text: "i + 1",
    instead: "i",
    tests: TRACES,
  },
  {
    name: "all-are-traced",
    breaks: "each request leaves spans, though its caller asked for none",
    promise: "G10",
    file: "src/tracing-sdk.ts",
    text: "new NodeTracerProvider({ resource, spanProcessors })",
    instead:
      "new NodeTracerProvider({ resource, spanProcessors, sampler: { shouldSample: () => ({ decision: 2 }), toString: () => '' } })",
    tests: TRACES,
  },
  {
    name: "looks-are-traced",
    breaks: "machines that look every few seconds whether all is well fill the queue of spans",
    promise: "G10",
    file: "src/http/traced.ts",
    text: 'new Set(["/health", "/ready", "/metrics"])',
    instead: "new Set()",
    tests: TRACES,
  },
  {
    name: "a-span-for-each-line",
    breaks: "a bulk request of ten thousand lines fills the queue with its spans",
    promise: "G10",
    file: "src/redis/script-spans.ts",
    text: "if (count > OWN_SPANS_MAX) return",
    instead: "if (count < 0) return",
    tests: TRACES,
  },
  {
    name: "path-in-a-span",
    breaks: "a span names the sku or the hold that was asked for",
    promise: "G10",
    file: "src/http/traced.ts",
    text: 'span.setAttribute("http.route", route);',
    instead: 'span.setAttribute("http.route", req.originalUrl);',
    tests: TRACES,
  },
];
