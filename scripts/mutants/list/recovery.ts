import type { Mutant } from "../mutant.ts";

const EMPTY = ["test/recovery/empty.test.ts"];
const DIVERGED = ["test/recovery/diverged.test.ts"];
const TAIL = ["test/recovery/tail.test.ts"];
const CLOSED = ["test/recovery/closed.test.ts"];
const CRASH = ["test/recovery/crash.test.ts"];

/** What happens when Redis has lost data: closing, comparing, giving back, opening. */
export const RECOVERY: Mutant[] = [
  {
    name: "generation-not-raised",
    breaks: "events of a Redis that was left behind are recorded beside those of its successor",
    promise: "G11",
    file: "src/postgres/admission.ts",
    text: "set generation = $2, applied_seq = $3",
    instead: "set generation = generation + 0 * $2::bigint, applied_seq = $3",
    tests: DIVERGED,
  },
  {
    name: "outdated-recorded",
    breaks: "an event that Redis has lost is recorded after Redis went on without it",
    promise: "G7",
    file: "src/postgres/refusing.ts",
    text: "events.filter((event) => event.generation < generation)",
    instead: "events.filter((event) => event.generation < 0 * generation)",
    tests: DIVERGED,
  },
  {
    name: "opens-without-restoring",
    breaks: "an empty Redis is opened as it is",
    promise: "G11",
    file: "worker/admitter.ts",
    text: 'if (rebuild !== "NO") {',
    instead: 'if (rebuild === "FORCED") {',
    tests: EMPTY,
  },
  {
    name: "opens-before-restoring",
    breaks: "Redis decides while it is still being given back what it has lost",
    promise: "G11",
    file: "src/redis/restoring.ts",
    text: 'announce: (next: number) => run("announce", [], [next]),',
    instead: `announce: async (next: number) => {
        await run("announce", [], [next]);
        const { readScripts } = await import("./scripts.ts");
        for (const { source } of readScripts(next).values()) await redis.script("LOAD", source);
        await redis.set(keys.generation, next);
      },`,
    tests: CLOSED,
  },
  {
    name: "not-drained",
    breaks: "both sides are compared while events in the stream are not recorded yet",
    promise: "G2",
    file: "worker/admitter.ts",
    text: "while (!(await restoring.isDrained())) {",
    instead: "while ((await restoring.isDrained()) === null) {",
    tests: CLOSED,
  },
  {
    name: "stays-open-meanwhile",
    breaks: "a Redis that is found wanting decides on until the admission is over",
    promise: "G11",
    file: "lua/admission/begin.lua",
    text: 'call("DEL", generation_key, admission_key)',
    instead: 'call("DEL", admission_key)',
    tests: CLOSED,
  },
  {
    name: "deadlines-not-restored",
    breaks: "no sweeper ever finds the holds that were given back",
    promise: "G6",
    file: "lua/admission/restore_holds.lua",
    text: 'call("ZADD", deadlines_key, "NX", unpack(due, first, math.min(first + 999, #due)))',
    instead: "",
    tests: EMPTY,
  },
  {
    name: "keys-not-restored",
    breaks: "the same request again is done again when Redis was lost in between",
    promise: "G3",
    file: "worker/restorer.ts",
    text: "if (records.length > 0) await redis.restoreRecords(records);",
    instead: "",
    tests: EMPTY,
  },
  {
    name: "newer-overwritten",
    breaks: "stock is set back to an older version that the ledger has",
    promise: "G2",
    file: "lua/admission/restore_stocks.lua",
    text: "if before < whole(version) or forced and",
    instead: "if before < whole(version) + 1000 or forced and",
    tests: TAIL,
  },
  {
    name: "ended-holds-stay",
    breaks: "a hold that ended, and is active in an old copy of Redis, ends once more",
    promise: "G6",
    file: "worker/restorer.ts",
    text: "restored.ended_holds += yield* forget(others, redis, heldUnits);",
    instead: "void [others, forget, redis, heldUnits];",
    tests: TAIL,
  },
  {
    name: "loss-untold",
    breaks: "events that were lost are not counted, and their numbers are given again",
    promise: "G11",
    file: "src/domain/recovery.ts",
    text: "const seq = Math.max(redis_seq, applied_seq, seen_seq);",
    instead: "const seq = Math.max(redis_seq, applied_seq, seen_seq * 0);",
    tests: EMPTY,
  },
  {
    name: "counters-not-restored",
    breaks: "the sequence begins anew in a Redis that was emptied",
    promise: "G8",
    file: "lua/admission/restore_counters.lua",
    text: 'if (whole(read("GET", seq_key)) or 0) < whole(seq) then call("SET", seq_key, seq) end',
    instead: "",
    tests: EMPTY,
  },
  {
    name: "woken-admitter-goes-on",
    breaks: "a worker that hung during an admission gives stock back when it was sold meanwhile",
    promise: "G1",
    file: "lua/admission/restore_stocks.lua",
    text: 'if read("HGET", next_key(), "token") ~= next_arg() then return { "LOST" } end',
    instead: 'if read("HGET", next_key(), "token") == next_arg() .. "~" then return { "LOST" } end',
    tests: CRASH,
  },
];
