import type { Mutant } from "../mutant.ts";

const BATCHER = ["test/redis/batcher.test.ts"];
const LOST_REPLIES = ["test/redis/lost-replies.test.ts"];
const FENCE = ["test/redis/fence.test.ts"];

/** How the API asks Redis, and what it tells its caller of a call that brought no reply. */
export const OUTCOMES: Mutant[] = [
  {
    name: "retry-under-a-new-key",
    breaks: "a request whose reply was lost is asked again under another key, and done twice",
    promise: "G3",
    file: "src/redis/batcher.ts",
    text: "        again.push(waiting);\n",
    instead: `        again.push({
          ...waiting,
          request: {
            ...waiting.request,
            keys: waiting.request.keys.map((key) => (key.startsWith("idem:") ? key + "~" : key)),
          },
        });
`,
    tests: LOST_REPLIES,
  },
  {
    name: "sent-twice",
    breaks: "the client itself sends a command again when its connection broke",
    promise: "G3",
    file: "src/redis/client.ts",
    // Either of them alone would still be held by the other.
    text: "autoResendUnfulfilledCommands: false,\n  maxRetriesPerRequest: 0,",
    instead: "autoResendUnfulfilledCommands: true,\n  maxRetriesPerRequest: null,",
    tests: ["test/redis/client.test.ts"],
  },
  {
    name: "late-is-done",
    breaks: "a request that was refused as late is answered as if it was done",
    promise: "G10",
    file: "src/redis/batcher.ts",
    text: 'if (tuple && tuple[0] !== "LATE") waiting.resolve(tuple);',
    instead:
      'if (tuple) waiting.resolve(tuple[0] === "LATE" ? ["CREATED", waiting.request.args[2], 0] : tuple);',
    tests: BATCHER,
  },
  {
    name: "late-forgets-lost-reply",
    breaks: "a retry that is late says that nothing was done, though its first try may have been",
    promise: "G10",
    file: "src/redis/batcher.ts",
    text: `waiting.reject(fault(waiting, "The request's time was over before Redis came to it."));`,
    instead: `waiting.reject(new RedisFault("NOT_EXECUTED", "Late."));`,
    tests: LOST_REPLIES,
  },
  {
    name: "overdue-is-not-executed",
    breaks: "what is on its way to Redis at its deadline is said to be not done",
    promise: "G10",
    file: "src/redis/batcher.ts",
    text: "        waiting.maybe_executed = true;\n",
    instead: "",
    tests: BATCHER,
  },
  {
    name: "lost-reply-is-not-executed",
    breaks: "a request whose reply was lost is said to be not done",
    promise: "G10",
    file: "src/redis/outcome.ts",
    text: ': "UNKNOWN";',
    instead: ': "NOT_EXECUTED";',
    tests: ["test/redis/outcome.test.ts"],
  },
  {
    name: "not-executed-is-504",
    breaks: "504 is answered where surely nothing was done",
    promise: "G10",
    file: "src/http/problem.ts",
    text: '(error instanceof RedisFault && error.outcome === "UNKNOWN")',
    instead: "error instanceof RedisFault",
    tests: ["test/http/outage.test.ts"],
  },
  {
    name: "unknown-is-503",
    breaks: "503, that is nothing was done, is answered where nobody knows",
    promise: "G10",
    file: "src/http/problem.ts",
    text: "if (isUnknown(error)) {",
    instead: "if (error instanceof OutcomeUnknown) {",
    tests: ["test/http/outage.test.ts"],
  },
  {
    name: "queue-without-bound",
    breaks: "the API takes on requests without end while Redis is slow",
    promise: "G10",
    file: "src/redis/batcher.ts",
    text: "if (queued >= deps.queue_max || ",
    instead: "if (",
    tests: BATCHER,
  },
  {
    name: "api-loads-scripts",
    breaks:
      "the API itself gives a Redis that has lost its scripts new ones, and so opens the fence",
    promise: "G11",
    file: "src/redis/scripts.ts",
    text: "      if (!isNoScript(error)) throw error;\n    }\n",
    instead: `      if (!isNoScript(error)) throw error;
      await load(generation.number);
      return await redis.call("EVALSHA", [sha, names.length, ...names, ...args]);
    }
`,
    tests: FENCE,
  },
  {
    name: "recovering-hides-lost-reply",
    breaks: "a request that may have been done before Redis was lost is said to be not done",
    promise: "G10",
    file: "src/redis/batcher.ts",
    text: "cause instanceof Recovering && !waiting.maybe_executed",
    instead: "cause instanceof Recovering",
    tests: FENCE,
  },
  {
    name: "sku-not-in-fingerprint",
    breaks: "a request for other units under a used key is answered as the first one was",
    promise: "G4",
    file: "src/redis/holding.ts",
    text: "const asked = [route, lines, user_id, ttl_seconds];",
    instead: "const asked = [route, user_id, ttl_seconds];",
    tests: ["test/redis/inventory.test.ts"],
  },
  {
    name: "evicting-redis",
    breaks: "a Redis that throws stock and holds away when it is full is sold from",
    promise: "G2",
    file: "src/redis/server-check.ts",
    text: 'if (info.maxmemory_policy !== "noeviction") {',
    instead: "if (info.maxmemory_policy === undefined) {",
    tests: ["test/redis/server-check.test.ts"],
  },
  {
    name: "recorded-too-soon",
    breaks: "an answer says that it is recorded though the wait was over before it was",
    promise: "G7",
    file: "src/http/prefer.ts",
    text: "const recorded = await untilRecorded(wait_ms);",
    instead: "const recorded = (await untilRecorded(wait_ms)) || true;",
    tests: ["test/http/prefer.test.ts"],
  },
];
