import { expect, test } from "@jest/globals";
import { drawAccount } from "../../scripts/drill/account.ts";
import type { Moment } from "../../scripts/drill/story.ts";
import { holdMoment, moved, openLimitedScene, THING } from "./drill-limited-scene.ts";
import { at, entry, reserveOf, type Scene } from "./drill-scene.ts";

// What the account says of a sale by rules: each of its promises is broken in turn.

const drawn = (scene: Scene) => drawAccount(scene).findings;

function brokenIn(scene: Scene): string[] {
  return drawn(scene)
    .filter(({ verdict }) => verdict === "BROKEN")
    .map(({ promise, says, figure, wrong }) => `${promise} ${says}: ${figure}: ${wrong[0]}`);
}

test("a sale by rules in which nothing went wrong keeps every promise, and tries all of them", () => {
  expect(brokenIn(openLimitedScene())).toEqual([]);
  const rules = drawn(openLimitedScene()).filter(({ promise }) => promise === "");
  expect(rules.map(({ figure, verdict }) => `${figure}: ${verdict}`)).toEqual([
    "0 of 1 faults: kept",
    "0 of 3 customers of a thing: kept",
    "0 of 1 asked before: kept",
    "0 of 1 extensions: kept",
    "0 of 2 served: kept",
    "0 of 4 payments, 1 unfulfilled: kept",
    "0 of 1 returns: kept",
  ]);
});

const story = ({ books }: Scene) => books.postgres.story;
const momentOf = (scene: Scene, seq: number) => story(scene).find((one) => one.seq === seq);
const change = (scene: Scene, seq: number, what: Partial<Moment>) =>
  Object.assign(momentOf(scene, seq) ?? {}, what);
/** Somebody who comes in between. */
const insert = (scene: Scene, behind: number, moment: Moment) =>
  story(scene).splice(story(scene).findIndex(({ seq }) => seq === behind) + 1, 0, moment);
const created = (who: string, more: Partial<Moment> = {}) =>
  holdMoment("HOLD_CREATED", who, 4.1, { made: 4.1, ends: 6, taken: 1, seq: 99, ...more });

const CASES: [name: string, change: (scene: Scene) => void, broken: RegExp][] = [
  [
    "a customer holds and owns one more than the limit",
    (scene) => insert(scene, 15, created("leo", { hold_id: "H-leo2", taken: 2, available: -2 })),
    /^ held and owned beyond.* 1 of 3 customers.*: leo with vinyl has 3 units by event 99/,
  ],
  [
    "a customer has two holds at a time",
    (scene) => insert(scene, 8, created("kim", { hold_id: "H-kim2" })),
    /^ held and owned beyond.* 1 of 3 customers.*: kim with vinyl has 2 holds/,
  ],
  [
    "what came back counts, though nobody said so, and is bought again",
    (scene) => {
      change(scene, 16, { freed: 0 });
      insert(scene, 19, created("leo", { hold_id: "H-leo2", taken: 2 }));
    },
    /^ held and owned beyond.*leo with vinyl has 3 units/,
  ],
  [
    "something happened before the opening, by the ledger",
    (scene) => change(scene, 10, { at: at(0.9) }),
    /^ sold, held or queued for before.* 1 of 1 asked before: WAITER_JOINED 100 ms before vinyl/,
  ],
  [
    "a hold is older than its sale in Redis alone",
    ({ books }) => Object.assign(books.redis.holds.get("H-kim") ?? {}, { created_at: at(0.9) }),
    /^ sold, held or queued for before.*H-kim is older in Redis/,
  ],
  [
    "somebody was granted a hold before the opening",
    ({ journal }) => {
      const granted = { status: 201, replayed: false, hold_id: "H-kim", expires_at: at(3) };
      const request = { ...reserveOf("kim"), sku: THING };
      journal.push(entry("kim-reserve", request, 0.8, granted));
    },
    /^ sold, held or queued for before.* 1 of 2 asked before: kim-reserve was granted/,
  ],
  [
    "a hold was extended oftener than the rules allow",
    (scene) => {
      for (const seq of [20, 21]) {
        const more = { seq, made: 1.1, ends: 4 };
        insert(scene, 9, holdMoment("HOLD_EXTENDED", "kim", 3, more));
      }
    },
    /^ deadlines moved.* 1 of 3 extensions: H-kim was extended 3 times/,
  ],
  [
    "a hold lasts longer than the rules allow",
    (scene) => change(scene, 9, { expires_at: at(7.2) }),
    /^ deadlines moved.*H-kim lasts too long/,
  ],
  [
    "a hold expired before its deadline",
    (scene) => change(scene, 12, { at: at(3.9) }),
    /^ deadlines moved.*H-kim expired 100 ms early/,
  ],
  [
    "a later one in the queue is served first",
    (scene) => change(scene, 13, { user_id: "mia", waiter_id: "W-mia" }),
    /^ overtaken in a queue.* \d of 2 served: W-leo was overtaken for vinyl by H-leo, event 13/,
  ],
  [
    "somebody else gets what those in the queue wait for",
    (scene) => insert(scene, 12, created("joe")),
    /^ overtaken in a queue.*W-leo was overtaken for vinyl by H-joe, event 99/,
  ],
  [
    "somebody is served who did not wait",
    (scene) => change(scene, 13, { waiter_id: "W-joe" }),
    /^ overtaken in a queue.*W-joe was served by event 13, and did not wait/,
  ],
  [
    "a payment that came late is nowhere",
    ({ books }) => books.postgres.unfulfilled.pop(),
    /^ payments without.* 1 of 4 payments: H-kim payment-kim: told P-kim, is nothing/,
  ],
  [
    "a payment is sold and written down as well",
    ({ books }) => {
      const payment = { hold_id: "H-mia", payment_ref: "payment-mia" };
      books.postgres.unfulfilled.push({ payment_id: "P-mia", ...payment });
    },
    /^ payments without.* 1 of 4 payments.*: H-mia payment-mia: told O-mia, is O-mia and P-mia/,
  ],
  [
    "money has moved, nobody was ever answered, and nothing came of it",
    ({ journal }) => {
      const request = { ...moved("kim"), payment_ref: "payment-kim-b" };
      const asked = entry("kim-pay-b", request, 5, { status: 503, replayed: false });
      journal.push({ ...asked, outcome: { end: "BROKEN" } });
    },
    /^ payments without.* 1 of 5 payments.*: H-kim payment-kim-b: told nothing, is nothing/,
  ],
  [
    "Redis knows of another order for a payment",
    ({ books }) => Object.assign(books.redis.holds.get("H-leo") ?? {}, { order_id: "O-x" }),
    /^ payments without.*H-leo payment-leo is O-leo, and not so in Redis/,
  ],
  [
    "more comes back than was sold",
    ({ books }) => Object.assign(books.postgres.returns[0] ?? {}, { units: 2 }),
    /^ taken back more.* 1 of 1 returns: 2 came back as vinyl of O-leo, and 1 were sold/,
  ],
  [
    "what was promised to come back never came",
    ({ books }) => Object.assign(books.postgres.returns[0] ?? {}, { done: false }),
    /^ taken back more.* 1 of 1 returns: R-leo was promised, and is not done/,
  ],
  [
    "the same came back twice",
    (scene) => insert(scene, 16, { ...(momentOf(scene, 16) ?? created("leo")), seq: 99 }),
    /^ taken back more.*2 returns happened, and 1 were promised/,
  ],
  [
    "units that came back are not there",
    ({ books }) => Object.assign(books.postgres.returns[0] ?? {}, { restock: false }),
    /^G6 stocks with units that came back twice.* 0 of vinyl are available, 0 held, 2 sold, of 1/,
  ],
  [
    "an acknowledged place in a queue is gone",
    ({ books }) => books.postgres.waiters.delete("W-mia"),
    /^G2 .* W-mia has no place in its queue/,
  ],
  [
    "somebody in a queue is told that there is no such place",
    ({ journal }) => {
      const request = { action: "LEAVE" as const, waiter_id: "W-mia" };
      const denied = { status: 404, code: "WAITER_NOT_FOUND", replayed: false };
      journal.push(entry("mia-leave", request, 3, denied));
    },
    /^G2 .* W-mia has no place in its queue/,
  ],
  [
    "an acknowledged extension did not last",
    ({ books }) => {
      for (const { holds } of [books.redis, books.postgres]) {
        Object.assign(holds.get("H-kim") ?? {}, { expires_at: at(3) });
      }
    },
    /^G2 .* H-kim ends 1,000 ms earlier in Redis than told/,
  ],
  [
    "an acknowledged return is nowhere",
    ({ books }) => books.postgres.returns.pop(),
    /^G2 .* R-leo was taken back, and is not there/,
  ],
  [
    "a key did two things",
    ({ books }) => {
      for (const event of books.postgres.events.slice(-3)) event.key = "idem:pay:leo";
    },
    /^G3 keys with two holds.* 1 of 5 keys: idem:pay:leo did 3 things/,
  ],
  [
    "a hold that was sold late was sold twice",
    ({ books }) => {
      const again = books.postgres.events.find(({ seq }) => seq === 18);
      Object.assign(again ?? {}, { type: "HOLD_CONFIRMED" });
    },
    /^G6 holds that ended twice.*H-mia: HOLD_CONFIRMED and HOLD_CONFIRMED/,
  ],
  [
    "a sale is not open any more, or not yet, without a reason",
    ({ journal }) => {
      const request = { ...reserveOf("joe"), sku: THING };
      journal.push(
        entry("joe", request, 2, { status: 409, code: "SALE_NOT_OPEN", replayed: false }),
      );
    },
    /^G10 answers that do not fit.*: joe \(RESERVE\): 409 SALE_NOT_OPEN/,
  ],
  [
    "a payment in time is called late",
    ({ journal }) => {
      const paid = { status: 200, replayed: true, late: true, confirmed_at: at(5) + 5 };
      journal.push(entry("leo-pay", moved("leo"), 5, { ...paid, order_id: "O-leo" }));
    },
    /^G10 answers that do not fit.*: leo-pay \(CONFIRM\): 200/,
  ],
];

test.each(CASES)("%s: BROKEN", (_, breakIt, broken) => {
  const scene = openLimitedScene();
  breakIt(scene);
  expect(brokenIn(scene)).toContainEqual(expect.stringMatching(broken));
});

test("who wants more than there is may be overtaken: kept", () => {
  const scene = openLimitedScene();
  change(scene, 10, { quantity: 2 });
  change(scene, 13, { waiter_id: "W-mia" });
  change(scene, 17, { waiter_id: "W-leo", taken: 2 });
  expect(brokenIn(scene).filter((line) => line.startsWith(" overtaken"))).toEqual([]);
});
