import type { Mutant } from "../mutant.ts";

const TRIES = ["test/client/tries.test.ts"];

/** How the client asks again, and what it says of what it does not know. */
export const CLIENT: Mutant[] = [
  {
    name: "client-new-key-each-try",
    breaks: "the client asks again under another key, and buys twice",
    promise: "G3",
    file: "src/client/request.ts",
    text: "const headers = { ...init.headers, ...authorization };",
    instead: 'const headers = { ...init.headers, "idempotency-key": newKey(), ...authorization };',
    tests: ["test/client/faults.test.ts"],
  },
  {
    name: "client-says-nothing-done",
    breaks: "after a lost answer and a 503 the client says that nothing was done",
    promise: "G10",
    file: "src/client/request.ts",
    text: "if (problem && !(open && may_be_done)) throw problem;",
    instead: "if (problem) throw problem;",
    tests: TRIES,
  },
  {
    name: "client-deaf-to-retry-after",
    breaks: "the client comes back before the service asked it to",
    promise: "G10",
    file: "src/client/request.ts",
    text: "waitMs(tries, told?.retryAfter)",
    instead: "waitMs(tries, undefined)",
    tests: TRIES,
  },
  {
    name: "client-without-end",
    breaks: "the client reads an answer that never ends until its memory is full",
    promise: "G10",
    file: "src/client/attempt.ts",
    text: "if (bytes > BODY_BYTES_MAX) {",
    instead: "if (bytes < 0) {",
    tests: TRIES,
  },
  {
    name: "client-sleeps-on",
    breaks: "the client that is told to stop sleeps on until its next try",
    promise: "G10",
    file: "src/client/request.ts",
    text: "await sleep(wait_ms, signal);",
    instead: "await sleep(wait_ms, undefined);",
    tests: TRIES,
  },
];
