import fc from "fast-check";
import type { Redis } from "ioredis";
import { changingStep } from "./fuzz-changing-steps.ts";
import { parts, settleStepOf } from "./fuzz-payment-steps.ts";
import { rulesStep } from "./fuzz-rules-steps.ts";
import { stockStep } from "./fuzz-stock-steps.ts";
import { waitingStep } from "./fuzz-waiting-steps.ts";
import {
  batchOf,
  deadline,
  fingerprint,
  HOLDS,
  hold_id,
  idem,
  mostlyNewIdem,
  quantity,
  SKUS,
  type Step,
  step,
  user_id,
} from "./fuzz-world.ts";
import {
  cancelRequest,
  confirmRequest,
  createRequest,
  expireRequest,
  keys,
} from "./script-side.ts";

// Which lines a hold has follows from its id, most of the time, so that endings name the right ones.
const linesOf = (id: string) => {
  const i = HOLDS.indexOf(id);
  return [
    { sku: SKUS[i % 3] ?? "", quantity: 1 + i },
    ...(i % 2 ? [{ sku: SKUS[(i + 1) % 3] ?? "", quantity: 2 }] : []),
  ];
};
const otherLines = fc
  .subarray([...SKUS, "ghost"], { minLength: 1 })
  .chain((skus) => fc.tuple(...skus.map((sku) => fc.record({ sku: fc.constant(sku), quantity }))));
const spec = fc
  .record({
    hold_id,
    deadline,
    other: fc.oneof(
      { weight: 9, arbitrary: fc.constant(undefined) },
      { weight: 1, arbitrary: otherLines },
    ),
  })
  .map(({ other, ...rest }) => ({ ...rest, lines: other ?? linesOf(rest.hold_id) }));

const create = fc
  .record({
    spec,
    ttl_ms: fc.constantFrom<number | string>(1, 1, 1, 60_000, 60_000, 60_000, 86_400_000, 0),
    idem: mostlyNewIdem,
    fingerprint,
    user_id,
    options: fc.constantFrom(
      "",
      "",
      "",
      "",
      "PARTIAL",
      "REPLACE",
      "REPLACE",
      "PARTIAL REPLACE",
      "ANY",
    ),
    // The one that is to be replaced is a guess, as it is for the API.
    replaced: fc.option(hold_id.map((id) => ({ hold_id: id, lines: linesOf(id) }))),
  })
  .map(({ spec: { lines, ...rest }, replaced, ...more }) =>
    createRequest({ ...rest, ...more, lines, replaced: replaced ?? undefined }),
  );
const ending = fc
  .tuple(spec, fc.option(idem, { freq: 2, nil: undefined }), fingerprint)
  .map(([common, key, print]) =>
    key === undefined ? common : { ...common, idem: key, fingerprint: print },
  );
const confirm = fc
  .tuple(ending, fc.constantFrom("p1", "p1", "p2", "", ""), parts)
  .map(([common, payment_ref, some]) => confirmRequest({ ...common, payment_ref, parts: some }));
const cancel = ending.map(cancelRequest);
const expire = spec.map(expireRequest);
const read = fc
  .tuple(hold_id, fc.constantFrom("HOLD", "LINES"))
  .map(([id, part]) => ({ keys: [keys.hold(id)], args: ["1", part] }));

/** A call as the API could make it, and some it would not. A hold_id is created once in a batch. */
export const anyStep = fc.oneof(
  {
    weight: 4,
    arbitrary: step(
      "create_holds",
      fc.uniqueArray(create, { minLength: 1, maxLength: 3, selector: ({ keys: [hold] }) => hold }),
    ),
  },
  { weight: 3, arbitrary: step("confirm_holds", batchOf(confirm, 4)) },
  { weight: 2, arbitrary: settleStepOf(ending) },
  { weight: 3, arbitrary: step("cancel_holds", batchOf(cancel, 4)) },
  { weight: 2, arbitrary: step("expire_holds", batchOf(expire, 4)) },
  { weight: 3, arbitrary: step("read_holds", batchOf(read, 3)) },
  { weight: 14, arbitrary: stockStep },
  { weight: 4, arbitrary: rulesStep },
  { weight: 3, arbitrary: changingStep(linesOf) },
  { weight: 9, arbitrary: waitingStep },
);

const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 12 }),
  fc.constantFrom(
    "",
    "0",
    "-1",
    "nan",
    "inf",
    "0x10",
    "1e3",
    "1.5",
    "\0",
    "%d",
    '"',
    "\n",
    "é",
    "'",
  ),
  fc.constantFrom("9".repeat(15), "9".repeat(16), "9".repeat(400), "x".repeat(5_000), "🦆", "]]"),
);

/** A call in which arguments are replaced by any text, or left out. */
export const garbledStep = fc
  .tuple(anyStep, fc.array(fc.tuple(fc.nat(), text), { maxLength: 2 }), fc.nat({ max: 7 }))
  .map(([{ script, requests }, changes, cut]): Step => {
    const [first = { keys: [], args: [] }, ...others] = requests;
    let args = first.args;
    for (const [i, value] of changes) args = args.with(i % args.length, value);
    if (cut === 0) args = args.slice(0, -1);
    return { script, requests: [...others, { ...first, args }] };
  });

/** Ways a key may come to hold something else than it should. */
export const corruptions = new Map<string, (redis: Redis) => Promise<unknown>>([
  ["letters in a stock", (redis) => redis.set("stock:a", "abc")],
  ["a negative stock", (redis) => redis.set("stock:b", "-1")],
  ["a list as stock", (redis) => redis.multi().del("stock:c").rpush("stock:c", "1").exec()],
  ["text as item", (redis) => redis.set("item:a", "text")],
  ["a negative held", (redis) => redis.hset("item:b", "held", "-1").catch(() => undefined)],
  [
    "text as holds",
    (redis) => redis.mset("hold:H-0", "text", "hold:H-2", "text", "hold:H-4", "text"),
  ],
  ["a hold half gone", (redis) => redis.hdel("hold:H-1", "lines", "user_id")],
  [
    "a set as record",
    (redis) => redis.multi().del("idem:reserve:k0").sadd("idem:reserve:k0", "1").exec(),
  ],
  [
    "a list as payment",
    async (redis) => {
      for (const id of HOLDS)
        await redis.rpush(`idem:payment:${id} p1`, "1").catch(() => undefined);
    },
  ],
  ["letters in another store", (redis) => redis.set("stock:a@north", "abc")],
  ["text as stores", (redis) => redis.set(keys.stores, "text")],
  ["a rank that is none", (redis) => redis.hset(keys.stores, "north", "x").catch(() => undefined)],
  ["text as rules", (redis) => redis.set(keys.rules, "text")],
  ["rules that are none", (redis) => redis.hset(keys.rules, "a", "x=y").catch(() => undefined)],
  ["text as own holds", (redis) => redis.set(keys.own_holds, "text")],
  ["text as customers", (redis) => redis.set(keys.customers, "text")],
  [
    "a count that is none",
    async (redis) => {
      await redis.hset(keys.rules, "b", "version=1 counts=1").catch(() => undefined);
      await redis.hset(keys.customers, "b ada", "x", "b bob", "1").catch(() => undefined);
    },
  ],
  ["a list of stopped skus", (redis) => redis.rpush(keys.stopped, "a").catch(() => undefined)],
  ["text as waiting", (redis) => redis.set(keys.waiting, "text")],
  ["text as queue", (redis) => redis.set(keys.queue("a"), "text")],
  ["text as places", (redis) => redis.set(keys.places("b"), "text")],
  ["text as waiter", (redis) => redis.set(keys.waiter("W-w0"), "text")],
  ["no waiter", (redis) => redis.del(keys.waiter("W-w1"), keys.waiter("W-w2"))],
  ["half a waiter", (redis) => redis.hdel(keys.waiter("W-w3"), "sku").catch(() => undefined)],
  ["text as turns", (redis) => redis.set(keys.turns, "text")],
  ["text as stream", (redis) => redis.set(keys.stream, "text")],
  ["text as deadlines", (redis) => redis.set(keys.deadlines, "text")],
  ["letters in seq", (redis) => redis.set(keys.seq, "abc")],
  ["no generation", (redis) => redis.del(keys.generation)],
  ["another generation", (redis) => redis.set(keys.generation, "2")],
  ["a list as seq", (redis) => redis.multi().del(keys.seq).rpush(keys.seq, "1").exec()],
]);
