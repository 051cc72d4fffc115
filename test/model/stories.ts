import fc from "fast-check";
import type { SaleRules } from "../../src/domain/rules.ts";
import type { Wish } from "./come-true.ts";
import * as wishes from "./wishes.ts";

// What is seldom met when each wish comes by chance, since one must follow on another: all about one sku, and
// mostly one customer.

const HERE = { sku: "a", store_id: "main" };
const NEW = { key: "new", late: false } as const;
const LASTS_MS = 600_000;

const units = fc.integer({ min: 1, max: 3 });
const reserve = (ttl_ms: number, more: { replace?: boolean; user_id?: string } = {}) =>
  fc.record({ wish: wishes.reserve, quantity: units }).map(({ wish, quantity }) => {
    const lines = [{ ...HERE, quantity }];
    return { ...wish, ...NEW, user_id: "ann", ...more, lines, ttl_ms, ttl_is_usual: false };
  });
const rules = (arbitrary: typeof wishes.changeRules) =>
  arbitrary.map((wish) => ({ ...wish, ...NEW, sku: HERE.sku, if_version: "any" as const }));
const limits = rules(wishes.changeRules.filter((wish) => wish.rules !== null));
const closed = rules(wishes.closeSale);
const only = (...some: SaleRules[]) => rules(wishes.ofRules(fc.constantFrom(...some)));
const limit = only({ max_per_order: 1 }, { max_active_holds: 1 }, { max_per_customer: 2 });
const fewExtensions = only({ max_extensions: 0 }, { max_extensions: 1 });
const join = wishes.join.map((wish) => ({ ...wish, ...NEW, ...HERE, user_id: "ann" }));
const leave = wishes.leave.map((wish) => ({ ...wish, ...NEW, waiter: 0 }));
const unitsCome = wishes.adjust.map((wish) => {
  return { ...wish, ...NEW, ...HERE, units: 8, if_version: "any" as const };
});
const extend = wishes.extend.map((wish) => ({ ...wish, ...NEW, hold: 0 }));
const extendTo = (...some: number[]) =>
  fc.record({ wish: extend, ttl_ms: fc.constantFrom(...some) }).map(({ wish, ttl_ms }) => {
    return { ...wish, route: "extend" as const, ttl_ms };
  });
const extendAgainTo = (...some: number[]) => extendTo(...some).map((wish) => ({ ...wish, key: 1 }));
const changeHold = fc
  .record({ wish: wishes.changeHold, quantity: fc.nat({ max: 5 }) })
  .map(({ wish, quantity }) => {
    const wanted = [{ sku: HERE.sku, quantity }];
    return { ...wish, ...NEW, hold: 0, wanted, if_version: "any" as const };
  });
const buy = wishes.purchase.map((wish) => ({ ...wish, ...NEW, sku: HERE.sku, user_id: "ann" }));
const expire = wishes.expire.map((wish) => ({ ...wish, late: false, hold: 0 }));
const settle = wishes.settle.map((wish) => ({ ...wish, ...NEW, hold: 0 }));
const parts = [{ sku: HERE.sku, quantity: 1 }];
const settlePart = settle.map((wish) => ({ ...wish, parts }));
const confirmPart = wishes.confirm.map((wish) => ({ ...wish, ...NEW, hold: 0, parts }));
const sendBack = wishes.returnUnits.map((wish) => ({ ...wish, ...NEW, sold: 0 }));
const sendBackAgain = sendBack.map((wish) => ({ ...wish, key: 1 }));

const told = (...wishes: fc.Arbitrary<Wish>[]): fc.Arbitrary<Wish[]> => fc.tuple(...wishes);
/** Twice under one key, for the same or for something else. */
const underOneKey = <W extends Wish>(wish: fc.Arbitrary<W>, ...before: fc.Arbitrary<Wish>[]) =>
  told(
    ...before,
    wish.map((one) => ({ ...one, key: "new", late: false })),
    wish.map((one) => ({ ...one, key: 1, late: false })),
  );
const heldUnderOneKey = [
  ...[wishes.confirm, wishes.settle, wishes.cancel, wishes.extend, wishes.changeHold],
].map((wish: fc.Arbitrary<Wish>) =>
  underOneKey(
    wish.map((one) => ({ ...one, hold: 0 })),
    reserve(LASTS_MS),
  ),
);

const underKeys = fc.oneof(
  ...heldUnderOneKey,
  told(reserve(LASTS_MS), extendTo(900_000), extendAgainTo(900_000, 86_400_000)),
  underOneKey(wishes.transfer),
  underOneKey(wishes.purchase),
  told(
    join,
    leave,
    join,
    leave.map((wish) => ({ ...wish, key: 1 })),
  ),
);

export const story: fc.Arbitrary<Wish[]> = fc.oneof(
  // Whoever waits may have no more when it is his turn.
  told(limit, reserve(LASTS_MS), join, limit, unitsCome, leave),
  told(join, limits, unitsCome, leave),
  // A hold takes the place of another one, which may be over.
  told(reserve(1, { replace: true }), reserve(LASTS_MS, { replace: true })),
  // The sale ends, or has new rules, while somebody holds some.
  told(reserve(LASTS_MS), closed, changeHold),
  told(reserve(LASTS_MS), limit, changeHold, changeHold),
  told(reserve(LASTS_MS, { user_id: "" }), limit, changeHold, changeHold),
  told(fewExtensions, reserve(LASTS_MS), extend, extend, extend),
  told(limit, buy, buy),
  // Money comes in time, late, or for a part.
  told(reserve(LASTS_MS), confirmPart, sendBack, sendBackAgain),
  told(reserve(1), settlePart),
  told(reserve(1), expire, limit, settle, settlePart),
  underKeys,
  underKeys,
);

/** What is asked before and while the stock is corrupt. */
export const corrupting: { first: fc.Arbitrary<Wish[]>; meanwhile: fc.Arbitrary<Wish> } = {
  first: told(join, reserve(LASTS_MS), confirmPart, reserve(1)),
  meanwhile: fc.oneof(
    ...[leave, sendBack, expire, extend, settle, changeHold],
    wishes.offer.map((wish) => ({ ...wish, ...HERE })),
  ),
};
