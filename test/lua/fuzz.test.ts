import { afterAll, afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { readScripts, type ScriptName } from "../../src/redis/scripts.ts";
import { isServing } from "./explain-waiters.ts";
import { checkBooks } from "./fuzz-books.ts";
import { changingStory } from "./fuzz-changing-story.ts";
import { endingsStory } from "./fuzz-endings-story.ts";
import { anyStep, corruptions, garbledStep } from "./fuzz-steps.ts";
import { FULL_SKU, limitSales, SKUS, STORES, type Step, startAnew } from "./fuzz-world.ts";
import { readHeader } from "./lua-source.ts";
import {
  dumpAll,
  keys,
  openScripts,
  type Request,
  registerStores,
  type ScriptSide,
} from "./script-side.ts";

const names = [...readScripts().keys()];
const EFFECTS = [
  ...["CREATED", "CONFIRMED", "CANCELLED", "EXPIRED"],
  ...[
    "CHANGED",
    "TRANSFERRED",
    "PURCHASED",
    "RETURNED",
    "EXTENDED",
    "UNFULFILLED",
    "JOINED",
    "LEFT",
  ],
];
const OF_CORRUPT_KEYS = / (CORRUPT|RECOVERING)$/;
/** It takes 100,000 who wait: test/lua/join-waiting.test.ts. */
const OF_MANY = ["join_waiting WAITING_LIST_FULL"];
const STORES_MAX = 1_000;
/** On a busy machine; on an idle one it is a tenth. */
const TEST_MS_MAX = 600_000;
/** The rarest answer comes in one round of six. */
const ROUNDS_MAX = 80;

let side: ScriptSide;
let seen = new Map<ScriptName, Map<string, number>>();
beforeAll(async () => {
  side = await openScripts();
  // Durability is not the question here, and an fsync for each of thousands of calls takes its time.
  await side.redis.config("SET", "appendfsync", "no");
});
afterAll(() => side.close());
afterEach(() => {
  seen = new Map();
});

type Look = { dump: Record<string, string>; length: number };

/** Everything that is there. A stream that is something else has no entries. */
async function look(): Promise<Look> {
  const length = side.redis.xlen(keys.stream).catch(() => 0);
  const [dump, entries] = await Promise.all([dumpAll(side.redis), length]);
  return { dump, length: entries };
}

/** Runs a call; a call that is refused as a whole has no tuples. Checks what must hold of every call. */
async function runStep(step: Step, before: Look): Promise<Look> {
  const isTold = await toldBefore(step);
  const words = await side.call(step.script, ...step.requests).then(
    ({ tuples }) => tuples.map(([word]) => String(word)),
    (error: Error) => [`rejected: ${error.message.slice(0, 40)}`],
  );
  const counts = seen.get(step.script) ?? new Map<string, number>();
  seen.set(step.script, counts);
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);

  const after = await look();
  const events = after.length - before.length;
  const entries = events > 0 ? await side.entries(events) : [];
  const done = words.filter((word, i) => {
    const request = step.requests[i];
    return EFFECTS.includes(word) && request && !isTold(request);
  });
  const effects = entries.filter(isServing).length + done.length;
  if (effects === 0) expect(withoutMoved(after, step)).toEqual(withoutMoved(before, step));
  else {
    expect(events).toBeGreaterThanOrEqual(effects);
    expect(events).toBeLessThanOrEqual(effects + replacedAtMost(step));
  }
  return after;
}

/** A cancel tells its own effect again, which it knows by its event's id; and two may be garbled alike. */
async function toldBefore({ script, requests }: Step) {
  if (script !== "cancel_holds") return () => false;
  const told = new Set<string>();
  for (const [key = ""] of requests.map(({ keys: names }) => names)) {
    told.add(`${key} ${await side.redis.hget(key, "ended_by").catch(() => null)}`);
  }
  return ({ keys: [key], args: [, event_id] }: Request) => {
    const deed = `${key} ${event_id}`;
    return told.has(deed) || !told.add(deed);
  };
}

// A hold that takes the place of another one makes an event for each.
const replacedAtMost = ({ script, requests }: Step) =>
  script === "create_holds"
    ? requests.filter(({ args }) => args.some((arg) => arg.endsWith("REPLACE"))).length
    : 0;

// An expiry that is refused may still take its deadline out of the way. Counts are added without an event.
function withoutMoved({ dump }: Look, step: Step) {
  if (step.script === "add_counts") return { ...dump, [keys.customers]: "" };
  return step.script === "expire_holds" ? { ...dump, [keys.deadlines]: "" } : dump;
}

/** The header's words that none of the calls so far has been answered with. */
const unseenWords = () =>
  names.flatMap((script) =>
    readHeader(script)
      .replies.filter((word) => !seen.get(script)?.has(word))
      .map((word) => `${script} ${word}`)
      .filter((word) => !OF_MANY.includes(word)),
  );
/** What calls were answered with that no header names: that they failed as a whole, above all. */
const unnamedWords = () =>
  [...seen].flatMap(([script, counts]) =>
    [...counts.keys()].filter((word) => !readHeader(script).replies.includes(word)),
  );
/** Goes on until each answer has occurred: without that, a fuzz test may have tried nothing at all. */
async function untilAllSeen(unseen: () => string[], round: () => Promise<void>) {
  for (let i = 0; i < ROUNDS_MAX; i += 1) {
    await round();
    if (unseen().length === 0) return;
  }
  expect(unseen()).toEqual([]);
}
/** Some of them twice, as by who had no answer or misuses a key; but a cancel tells its own effect again. */
const steps = (arbitrary: fc.Arbitrary<Step | Step[]>, minLength: number, maxLength: number) =>
  fc
    .array(fc.tuple(arbitrary, fc.nat({ max: 7 })), { minLength, maxLength, size: "max" })
    .map((list) =>
      list.flatMap(([some, i]) =>
        [some].flat().flatMap((one) => {
          if (i > 2 || !asksAgain(one)) return [one];
          return [one, i === 2 ? misusing(one) : one];
        }),
      ),
    );
const asksAgain = ({ script }: Step) => script !== "cancel_holds";
/** The same with the fingerprint of another request. */
const misusing = ({ script, requests }: Step): Step => ({
  script,
  requests: requests.map(({ keys: names, args }) => ({
    keys: names,
    args: args.map((arg) => OTHER_FINGERPRINT.get(arg) ?? arg),
  })),
});
const OTHER_FINGERPRINT = new Map([
  ["f", "g"],
  ["g", "f"],
]);
const orStory = (step: fc.Arbitrary<Step>) =>
  fc.oneof(
    { weight: 20, arbitrary: step },
    { weight: 1, arbitrary: changingStory },
    { weight: 1, arbitrary: endingsStory },
  );

/** What is corrupt; often what each script must answer to, or it takes long until all have done so. */
const corrupted = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.subarray([...corruptions.keys()], { minLength: 1, maxLength: 3 }),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(["no generation"], ["another generation"], ["text as holds"]),
  },
);

describe("whatever the scripts are asked", () => {
  test(
    "in any order, they neither make nor lose a unit, and every answer occurs",
    async () => {
      const property = fc.asyncProperty(
        steps(orStory(anyStep), 10, 25),
        fc.nat({ max: 7 }),
        async (list, i) => {
          await startAnew(side);
          if (i === 1) await limitSales(side);
          if (i === 0) await registerStores(side.redis, STORES_MAX - 2); // beside them, main and north
          let now = await look();
          for (const step of list) now = await runStep(step, now);
          await checkBooks(side);
          const events = await side.entries();
          expect(events.map(({ seq }) => seq)).toEqual(events.map((_, i) => String(i + 1)));
        },
      );
      const unseen = () => unseenWords().filter((word) => !OF_CORRUPT_KEYS.test(word));
      await untilAllSeen(unseen, () => fc.assert(property, { numRuns: 40 }));
      expect(unnamedWords()).toEqual([]);
    },
    TEST_MS_MAX,
  );

  test(
    "on keys that hold something else, they name one or do all, never a part",
    async () => {
      const property = fc.asyncProperty(
        steps(anyStep, 4, 8),
        corrupted,
        steps(anyStep, 4, 8),
        async (healthy, corrupt, list) => {
          await startAnew(side);
          for (const { script, requests } of healthy) await side.call(script, ...requests);
          for (const name of corrupt) await corruptions.get(name)?.(side.redis);
          let now = await look();
          for (const step of list) now = await runStep(step, now);
        },
      );
      const unseen = () => unseenWords().filter((word) => OF_CORRUPT_KEYS.test(word));
      await untilAllSeen(unseen, () => fc.assert(property, { numRuns: 40 }));
      expect(unnamedWords()).toEqual([]);
    },
    TEST_MS_MAX,
  );

  test(
    "with arbitrary text for any argument, they do all or nothing",
    async () => {
      const property = fc.asyncProperty(steps(orStory(garbledStep), 5, 15), async (list) => {
        await startAnew(side);
        let now = await look();
        for (const step of list) now = await runStep(step, now);
        for (const sku of [...SKUS, FULL_SKU]) {
          for (const store_id of STORES) {
            const numbers = (await side.stockOf(sku, store_id)).map((text) => Number(text ?? 0));
            expect(Math.min(...numbers)).toBeGreaterThanOrEqual(0);
          }
        }
      });
      const unseen = () =>
        unseenWords()
          .filter((word) => / (CREATED|[A-Z]+ED|BAD_ARGUMENT)$/.test(word))
          .filter((word) => word !== "leave_waiting OFFERED"); // takes more steps than there are here
      await untilAllSeen(unseen, () => fc.assert(property, { numRuns: 40 }));
    },
    TEST_MS_MAX,
  );
});
