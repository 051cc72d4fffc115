import { expect, test } from "@jest/globals";
import { drawAccount, isBroken } from "../../scripts/drill/account.ts";
import type { Books } from "../../scripts/drill/books.ts";
import {
  at,
  bookHold,
  cancelOf,
  entry,
  fault,
  openScene,
  payOf,
  reserveOf,
  type Scene,
  SKU,
} from "./drill-scene.ts";

// Each promise is broken in turn.

/** The lines that are broken, as "G2 acknowledged, and ...: 1 of 5 ...: the first thing that is wrong". */
function brokenIn(scene: Scene): string[] {
  return drawAccount(scene)
    .findings.filter(({ verdict }) => verdict === "BROKEN")
    .map(({ promise, says, figure, wrong }) => `${promise} ${says}: ${figure}: ${wrong[0]}`);
}

/** The same change on both sides, so that nothing but the rule at hand can notice. */
function inBoth({ books }: Scene, change: (book: Books["redis"] | Books["postgres"]) => void) {
  change(books.redis);
  change(books.postgres);
}

test("a sale in which nothing went wrong keeps every promise that it tried", () => {
  const { findings } = drawAccount(openScene());
  expect(findings.filter(({ verdict }) => verdict === "BROKEN")).toEqual([]);
  const kept = findings.filter(({ verdict }) => verdict === "kept");
  expect(new Set(kept.map(({ promise }) => promise))).toEqual(
    new Set(["G1", "G2", "G3", "G4", "G5", "G6", "G7", "G8", "G10", "G12", "G13", ""]),
  );
  expect(isBroken(findings)).toBe(false);
});

test("an API that was frozen may say that its client was too slow", () => {
  const scene = openScene();
  const said = entry("eve-reserve", reserveOf("eve"), 4, answer(408, "REQUEST_TIMEOUT"));
  scene.journal.push({ ...said, frozen_ms: 4_000 });
  expect(brokenIn(scene)).toEqual([]);
});

const CASES: [name: string, change: (scene: Scene) => void, broken: RegExp][] = [
  [
    "at some moment more was held than there was",
    ({ books }) => {
      books.postgres.takings.splice(3, 0, { seq: 4, sku: SKU, available_delta: -1 });
    },
    /^G1 .* 1 of 3 units: 1 of tea more than there were/,
  ],
  [
    "available is below zero",
    (scene) =>
      inBoth(scene, ({ stocks }) => stocks.set(SKU, { available: -1, held: 3, version: 7 })),
    /^G1 .* 1 of tea more/,
  ],
  [
    "an acknowledged hold is in neither store",
    (scene) => inBoth(scene, ({ holds }) => holds.delete("H-cid")),
    /^G2 .* 1 of 5 acknowledged: H-cid is not in Redis/,
  ],
  [
    "an acknowledged hold is not in Postgres",
    ({ books }) => books.postgres.holds.delete("H-cid"),
    /^G2 .* H-cid is not in Postgres/,
  ],
  [
    "a paid hold has expired after all",
    (scene) => inBoth(scene, ({ holds }) => setHold(holds, "H-ann", { status: "EXPIRED" })),
    /^G2 .* H-ann: told CONFIRMED, is EXPIRED in Redis/,
  ],
  [
    "a paid hold has another order",
    (scene) => inBoth(scene, ({ holds }) => setHold(holds, "H-ann", { order_id: "O-2" })),
    /^G2 .* H-ann: told order O-ann, is O-2/,
  ],
  [
    "somebody is told that there is no such hold",
    ({ journal }) =>
      journal.push(entry("bob-again", cancelOf("bob"), 5, answer(404, "HOLD_NOT_FOUND"))),
    /^G2 .* H-bob: its shopper was told that there is no such hold/,
  ],
  [
    "one key made two holds, and nobody was told of the second",
    (scene) =>
      inBoth(scene, ({ holds }) => {
        const ended = { hold_id: "H-bob2", status: "CANCELLED" as const, ended_at: at(3) };
        holds.set("H-bob2", bookHold("bob", 1.1, ended));
      }),
    /^G3 keys with two holds, .*: 1 of 4 keys: bob has 2 holds/,
  ],
  [
    "one payment made two orders",
    ({ books }) =>
      books.postgres.orders.push({ ...paidBy("ann"), order_id: "O-2", hold_id: "H-bob" }),
    /^G3 payments with two orders: 1 of 2 orders: payment-ann paid for O-ann and O-2/,
  ],
  [
    "asked again, the same key got another hold",
    ({ journal }) => {
      journal[1] = entry("ann-reserve", reserveOf("ann"), 1.5, { ...held("H-other") });
    },
    /^G3 another answer .* 1 of 1 repeated: ann-reserve was answered H-ann .* and H-other/,
  ],
  [
    "another request under a used key was granted",
    ({ journal }) => {
      journal[2] = { ...entry("ann-reserve", reserveOf("ann", 2), 1.6, held("H-ann")) };
    },
    /^G4 .* 1 of 1 tried: ann-reserve was used for something else: 201/,
  ],
  [
    "a request was carried out long after its time",
    (scene) => inBoth(scene, ({ holds }) => setHold(holds, "H-bob", { ended_at: at(3) + 4_001 })),
    /^G5 .* 1 of 5 effects: H-bob was cancelled 2,001 ms after/,
  ],
  [
    "units came back twice",
    (scene) =>
      inBoth(scene, ({ stocks }) => stocks.set(SKU, { available: 3, held: 0, version: 7 })),
    /^G6 .* 1 of 1 stocks: in Redis 3 of tea are available, 0 held, 1 sold, of 3/,
  ],
  [
    "units never came back",
    (scene) =>
      inBoth(scene, ({ stocks }) => stocks.set(SKU, { available: 1, held: 0, version: 7 })),
    /^G6 .* in Redis 1 of tea are available/,
  ],
  [
    "a hold ended twice",
    ({ books }) => {
      books.redis.seq = 8;
      books.postgres.events.push({ seq: 8, type: "HOLD_EXPIRED", hold_id: "H-bob" });
    },
    /^G6 holds that ended twice: 1 of 3 ended: H-bob: HOLD_CANCELLED and HOLD_EXPIRED/,
  ],
  [
    "two shoppers' windows were told of two endings",
    ({ journal }) =>
      journal.push(
        entry("bob-pay", payOf("bob"), 3, { ...answer(200), order_id: "O-2", confirmed_at: at(3) }),
      ),
    /^G6 holds that ended twice: .* H-bob: told CANCELLED and CONFIRMED and O-2/,
  ],
  [
    "a hold was never swept",
    (scene) =>
      inBoth(scene, ({ holds }) => setHold(holds, "H-cid", { status: "ACTIVE", ended_at: null })),
    /^G6 holds that never ended.* 1 of 3 holds: H-cid is still held/,
  ],
  [
    "an event is not in Postgres",
    ({ books }) => books.postgres.events.pop(),
    /^G7 events that Redis decided.* 6 of 7 events: 1 of 7 events are not in Postgres/,
  ],
  [
    "Postgres has an event that Redis never decided",
    ({ books }) => books.postgres.events.push({ seq: 8, type: "HOLD_CREATED", hold_id: "H-x" }),
    /^G7 .* Redis counts 7 events, Postgres has 8/,
  ],
  [
    "an event still waits to be recorded",
    ({ books }) => Object.assign(books.redis, { unrecorded: 1 }),
    /^G7 .* 1 events still wait/,
  ],
  [
    "an event could not be recorded",
    ({ books }) => Object.assign(books.postgres, { dead_letters: 1 }),
    /^G7 .* 1 events could not be recorded/,
  ],
  [
    "an event was recorded twice",
    ({ books }) => books.postgres.events.push({ seq: 7, type: "STOCK_COUNTED", hold_id: null }),
    /^G7 events that were recorded twice: 1 of 8 events: event 7 was recorded 2 times/,
  ],
  [
    "a stock differs by its version alone",
    ({ books }) => books.redis.stocks.set(SKU, { available: 2, held: 0, version: 8 }),
    /^G7 drift: stocks that differ.* tea: 2 available, 0 held, version 8 in Redis, .* 7 in Postgres/,
  ],
  [
    "a hold differs by its payment alone",
    ({ books }) => setHold(books.redis.holds, "H-ann", { payment_ref: "payment-x" }),
    /^G7 drift: holds that differ.* 1 of 3 holds: H-ann/,
  ],
  [
    "Postgres has a hold that Redis does not have",
    ({ books }) => books.postgres.holds.set("H-x", bookHold("x", 1, { status: "CANCELLED" })),
    /^G7 drift: holds that differ.* H-x: nothing in Redis/,
  ],
  [
    "the audit tells of a drift",
    ({ books }) => books.postgres.drifts.push({ sku: SKU, kind: "HELD" }),
    /^G7 drift: stocks that differ.* 1 of 1 stocks, audited: the audit says of tea: HELD/,
  ],
  [
    "the audit has not looked",
    ({ books }) => {
      books.postgres.audits = 0;
    },
    /^G7 drift: stocks that differ.*: the audit has not looked at all stocks/,
  ],
  [
    "the history of a stock does not lead to it",
    ({ books }) => books.postgres.history.set(SKU, { available: 2, held: 1 }),
    /^G7 drift: stocks whose history.* tea: 2 available and 0 held, by its history 2 and 1/,
  ],
  [
    "a sold hold has no order",
    ({ books }) => books.postgres.orders.pop(),
    /^G7 sold holds.* 1 of 1 sold: H-ann is sold as O-ann, its orders: none/,
  ],
  [
    "an order is of no sold hold",
    ({ books }) => {
      const order = { order_id: "O-2", hold_id: "H-bob", payment_ref: "payment-bob" };
      books.postgres.orders.push(order);
    },
    /^G7 sold holds.* O-2 is of no sold hold/,
  ],
  [
    "an event is missing in the sequence, and nobody was alarmed",
    ({ books }) => books.postgres.events.splice(2, 1),
    /^G8 .* 1 of 7 numbers: event 3 is missing, and nobody was alarmed/,
  ],
  [
    "an event is missing in the sequence, alarm or not",
    ({ books }) => {
      books.postgres.events.splice(2, 1);
      books.postgres.alarmed.add(3);
    },
    /^G8 .* 1 of 7 numbers: events 3 \.\.\. are missing/,
  ],
  [
    "a request hung",
    ({ journal }) =>
      journal.push({
        ...entry("eve-reserve", reserveOf("eve"), 4, answer(0)),
        ...{ ended_at: at(8), outcome: { end: "HUNG" } },
      }),
    /^G10 hung.* 1 of 10 requests \(slowest 0\.0 s\): eve-reserve \(RESERVE\): 4,000 ms/,
  ],
  ...(
    [
      [reserveOf("eve"), answer(500, "INTERNAL_ERROR")],
      [reserveOf("eve"), answer(404, "UNKNOWN_SKU")],
      [reserveOf("eve"), answer(503, "SOMETHING_ELSE")],
      [reserveOf("eve"), answer(408, "REQUEST_TIMEOUT")],
      [reserveOf("eve"), answer(422, "IDEMPOTENCY_KEY_REUSED")],
      [reserveOf("eve"), answer(201)],
      [payOf("cid"), answer(409, "HOLD_CANCELLED")],
      [payOf("ann"), answer(409, "HOLD_ALREADY_CONFIRMED")],
      [cancelOf("bob"), answer(409, "HOLD_ALREADY_CONFIRMED")],
      [payOf("cid"), answer(410, "HOLD_EXPIRED")],
      [cancelOf("cid"), { ...answer(200), hold_status: "EXPIRED" }],
      [payOf("cid"), { ...answer(200), confirmed_at: at(21.2) }],
      [payOf("nobody"), answer(410, "HOLD_EXPIRED")],
    ] as const
  ).map(([request, said]): (typeof CASES)[number] => [
    `${request.action} was answered ${said.status} ${said.code ?? ""} without a reason`,
    ({ journal }) => journal.push(entry("odd", request, 4, said)),
    new RegExp(`^G10 answers that do not fit.*: odd \\(${request.action}\\): ${said.status}`),
  ]),
  [
    "nothing was decided while Postgres was away",
    ({ faults }) => faults.splice(0, 1, fault("postgres", 10, { back: 11, accepted: 10.1 })),
    /^G12 .* nothing was decided in 1,000 ms without Postgres/,
  ],
  [
    "more was sold than there was, by both stores",
    (scene) =>
      inBoth(scene, ({ holds }) => {
        setHold(holds, "H-ann", { lines: [{ sku: SKU, quantity: 4 }] });
      }),
    /^G13 .* 1 of 3 units: 4 of tea were sold, and there were 3/,
  ],
  [
    "more was sold than there was, by what shoppers were told",
    (scene) => {
      scene.journal.push(entry("eve", reserveOf("eve", 3), 4, held("H-eve")));
      const paid = { ...answer(200), order_id: "O-eve", confirmed_at: at(5) };
      scene.journal.push(entry("eve-pay", payOf("eve"), 5, paid));
    },
    /^G13 .* 1 of 3 units: 4 of tea were sold/,
  ],
  [
    "sales did not go on after a fault",
    ({ faults }) => faults.push(fault("redis", 15, { back: 16, accepted: null })),
    /^ faults after which sales did not go on.* 1 of 2 faults: .* 15\.0 s: Redis killed/,
  ],
];

test.each(CASES)("%s: BROKEN", (_, change, broken) => {
  const scene = openScene();
  change(scene);
  expect(brokenIn(scene)).toContainEqual(expect.stringMatching(broken));
});

const KEPT: [name: string, change: (scene: Scene) => void][] = [
  [
    "an effect within its time and 2 s more",
    (scene) => inBoth(scene, ({ holds }) => setHold(holds, "H-bob", { ended_at: at(3) + 4_000 })),
  ],
  [
    "an effect as late as the API was frozen",
    (scene) => {
      inBoth(scene, ({ holds }) => setHold(holds, "H-bob", { ended_at: at(3) + 7_000 }));
      const cancelled = scene.journal.find(({ key }) => key === "bob-cancel");
      Object.assign(cancelled ?? {}, { frozen_ms: 3_000 });
    },
  ],
  [
    "a refusal of a hold that its owner cancelled or paid otherwise before",
    ({ journal }) =>
      journal.push(
        entry("bob-pay", payOf("bob"), 4, answer(409, "HOLD_CANCELLED")),
        entry("ann-pay-b", payOf("ann", "payment-b"), 4, answer(409, "HOLD_ALREADY_CONFIRMED")),
        entry("ann-cancel", cancelOf("ann"), 4, answer(409, "HOLD_ALREADY_CONFIRMED")),
      ),
  ],
  [
    "an answer that says to come back, whatever the reason",
    ({ journal }) => {
      for (const code of ["STORE_UNAVAILABLE", "OVERLOADED", "RECOVERING"])
        journal.push(entry("eve", reserveOf("eve"), 4, answer(503, code)));
      journal.push(entry("eve", reserveOf("eve"), 4, answer(504, "OUTCOME_UNKNOWN")));
    },
  ],
  [
    "silence while Postgres and Redis are away together",
    ({ faults }) =>
      faults.push(
        fault("postgres", 10, { back: 14, accepted: 14.1 }),
        fault("redis", 10.2, { back: 12, accepted: 14.1 }),
      ),
  ],
  [
    "silence after the last shopper came",
    ({ faults }) => faults.push(fault("postgres", 19.9, { back: 21.9, accepted: 22 })),
  ],
];

test.each(KEPT)("%s: kept", (_, change) => {
  const scene = openScene();
  change(scene);
  expect(brokenIn(scene)).toEqual([]);
});

function setHold(holds: Books["redis"]["holds"], hold_id: string, change: object): void {
  const hold = holds.get(hold_id);
  if (!hold) throw new Error(`there is no ${hold_id}`);
  Object.assign(hold, change);
}

function answer(status: number, code?: string) {
  return { status, code, replayed: false };
}

function held(hold_id: string) {
  return { ...answer(201), hold_id, expires_at: at(21) };
}

const paidBy = (who: string) => ({ payment_ref: `payment-${who}` });
