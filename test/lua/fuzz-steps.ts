import fc from "fast-check";
import type { Redis } from "ioredis";
import type { ScriptName } from "../../src/redis/scripts.ts";
import {
  cancelRequest,
  confirmRequest,
  createRequest,
  expireRequest,
  FOREVER,
  keys,
  type Request,
} from "./script-side.ts";

// A small world, so that requests meet: few stocks, few holds, few keys.
export const SKUS = ["a", "b", "c"];
const HOLDS = Array.from({ length: 6 }, (_, i) => `H-${i}`);
const IDEMS = ["k0", "k1", "k2"];

export type Step = { script: ScriptName; requests: Request[] };

const hold_id = fc.constantFrom(...HOLDS);
const idem = fc.constantFrom(...IDEMS);
const deadline = fc.oneof(
  { weight: 12, arbitrary: fc.constant<number | string>(FOREVER) },
  { weight: 1, arbitrary: fc.constantFrom<number | string>(1, "", "-1", "1e9") },
);
const quantity = fc.oneof(
  { weight: 12, arbitrary: fc.integer({ min: 1, max: 6 }).map((n): number | string => n) },
  { weight: 1, arbitrary: fc.constantFrom<number | string>(0, 1001, "01", "1.5", "nan", "-3") },
);
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
    // Nearly each hold with its own key, or all but the first would be replays.
    idem: fc.oneof({ weight: 6, arbitrary: fc.uuid() }, { weight: 2, arbitrary: idem }),
    fingerprint: fc.constantFrom("f", "f", "g"),
  })
  .map(({ spec: { lines, ...rest }, ...more }) => createRequest({ ...rest, ...more, lines }));
const ending = fc
  .tuple(spec, fc.option(idem, { freq: 2, nil: undefined }), fc.constantFrom("f", "f", "g"))
  .map(([common, key, fingerprint]) =>
    key === undefined ? common : { ...common, idem: key, fingerprint },
  );
const confirm = fc
  .tuple(ending, fc.constantFrom("p1", "p1", "p2"))
  .map(([common, payment_ref]) => confirmRequest({ ...common, payment_ref }));
const cancel = ending.map(cancelRequest);
const expire = spec.map(expireRequest);
const read = fc
  .tuple(hold_id, fc.constantFrom("HOLD", "LINES"))
  .map(([id, part]) => ({ keys: [keys.hold(id)], args: ["1", part] }));

const batchOf = (request: fc.Arbitrary<Request>, maxLength: number) =>
  fc.array(request, { minLength: 1, maxLength });
const step = (script: ScriptName, requests: fc.Arbitrary<Request[]>) =>
  requests.map((list): Step => ({ script, requests: list }));

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
  { weight: 3, arbitrary: step("cancel_holds", batchOf(cancel, 4)) },
  { weight: 2, arbitrary: step("expire_holds", batchOf(expire, 4)) },
  { weight: 1, arbitrary: step("read_holds", batchOf(read, 3)) },
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
  ["text as stream", (redis) => redis.set(keys.stream, "text")],
  ["text as deadlines", (redis) => redis.set(keys.deadlines, "text")],
  ["letters in seq", (redis) => redis.set(keys.seq, "abc")],
  ["a list as seq", (redis) => redis.multi().del(keys.seq).rpush(keys.seq, "1").exec()],
]);
