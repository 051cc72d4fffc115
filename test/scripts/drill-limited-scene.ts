import type { Limits } from "../../scripts/drill/limited-sale.ts";
import type { Moment } from "../../scripts/drill/story.ts";
import { at, bookHold, entry, openScene, payOf, type Scene } from "./drill-scene.ts";

export const THING = "vinyl";
const OPENS = 1;
const LIMITS: Limits = {
  ...{ units: 1, opens_at: at(OPENS), max_per_customer: 2, max_active_holds: 1 },
  ...{ hold_seconds: 2, max_hold_seconds: 6, max_extensions: 2, returns_free: true },
};

const MOMENT: Moment = {
  ...{ seq: 0, type: "", at: 0, sku: THING, user_id: "", hold_id: "", waiter_id: "" },
  ...{ joined_seq: 0, quantity: 1, taken: 0, available: 0, freed: 0, created_at: 0, expires_at: 0 },
};

/** What happened to somebody's hold, so many seconds after the opening. It lasts from `made` until `ends`. */
export const holdMoment = (
  type: string,
  who: string,
  seconds: number,
  more: Partial<Moment> & { made: number; ends: number },
): Moment => {
  const { made, ends, ...rest } = more;
  const times = { at: at(seconds), created_at: at(made), expires_at: at(ends) };
  return { ...MOMENT, type, user_id: who, hold_id: `H-${who}`, ...times, ...rest };
};

const queued = (who: string, seconds: number, seq: number): Moment => ({
  ...{ ...MOMENT, seq, type: "WAITER_JOINED", user_id: who, at: at(seconds) },
  ...{ waiter_id: `W-${who}`, joined_seq: seq },
});

const offered = (who: string) => ({ waiter_id: `W-${who}` });
const TAKEN = { taken: 1, available: 0 };
const BACK = { taken: -1, available: 1 };

/**
 * The small sale, and beside it one unit that is sold by rules: kim asks too early, gets it, is given more
 * time, and pays too late. So it is offered to leo, who buys it and sends it back; then to mia, whose
 * money moves after her deadline, and who gets it all the same.
 */
export function openLimitedScene(): Scene {
  const scene = openScene();
  const { journal, books } = scene;
  journal.push(...limitedJournal());
  books.stocked.set(THING, 1);
  books.limited.set(THING, LIMITS);
  for (const book of [books.redis, books.postgres]) {
    for (const hold of limitedHolds()) book.holds.set(hold.hold_id, hold);
    book.stocks.set(THING, { available: 0, held: 0, version: 8 });
  }
  const story = limitedStory();
  const { postgres } = books;
  books.redis.seq = 19;
  postgres.story.push(...story);
  postgres.events.push(
    ...story.map(({ seq, type, hold_id }) => ({ seq, type, hold_id, key: `idem:any:${seq}` })),
    { seq: 14, type: "PAYMENT_UNFULFILLED", hold_id: "H-kim" },
  );
  postgres.takings.push(
    ...story
      .filter(({ taken }) => taken !== 0)
      .map(({ seq, taken }) => ({ seq, sku: THING, available_delta: -taken })),
  );
  postgres.orders.push(orderOf("leo"), orderOf("mia"));
  const payment = { hold_id: "H-kim", payment_ref: "payment-kim" };
  postgres.unfulfilled.push({ payment_id: "P-kim", ...payment });
  postgres.returns.push({
    ...{ return_id: "R-leo", order_id: "O-leo", sku: THING, units: 1, sold: 1 },
    ...{ restock: true, done: true },
  });
  for (const who of ["leo", "mia"]) {
    postgres.waiters.set(`W-${who}`, { user_id: who, status: "OFFERED", hold_id: `H-${who}` });
  }
  postgres.history.set(THING, { available: 0, held: 0 });
  return scene;
}

const orderOf = (who: string) => ({
  ...{ order_id: `O-${who}`, hold_id: `H-${who}`, payment_ref: `payment-${who}` },
});

const limitedHolds = () => {
  const lines = [{ sku: THING, quantity: 1 }];
  const sold = { lines, status: "CONFIRMED" as const };
  return [
    bookHold("kim", 1.1, { lines, status: "EXPIRED", expires_at: at(4), ended_at: at(4.1) }),
    bookHold("leo", 4.1, { ...sold, expires_at: at(6), ended_at: at(5) + 5, order_id: "O-leo" }),
    bookHold("mia", 6, {
      ...{ ...sold, expires_at: at(7), ended_at: at(8) + 5, order_id: "O-mia", late: true },
    }),
  ];
};

const limitedStory = (): Moment[] => [
  holdMoment("HOLD_CREATED", "kim", 1.1, { seq: 8, made: 1.1, ends: 3, ...TAKEN }),
  holdMoment("HOLD_EXTENDED", "kim", 2, { seq: 9, made: 1.1, ends: 4 }),
  queued("leo", 2.1, 10),
  queued("mia", 2.2, 11),
  holdMoment("HOLD_EXPIRED", "kim", 4.1, { seq: 12, made: 1.1, ends: 4, ...BACK }),
  holdMoment("HOLD_CREATED", "leo", 4.1, {
    ...{ seq: 13, made: 4.1, ends: 6, joined_seq: 10, ...TAKEN, ...offered("leo") },
  }),
  holdMoment("HOLD_CONFIRMED", "leo", 5, { seq: 15, made: 4.1, ends: 6 }),
  holdMoment("ORDER_RETURNED", "leo", 6, { seq: 16, made: 0, ends: 0, freed: 1, ...BACK }),
  holdMoment("HOLD_CREATED", "mia", 6, {
    ...{ seq: 17, made: 6, ends: 7, joined_seq: 11, ...TAKEN, ...offered("mia") },
  }),
  holdMoment("HOLD_EXPIRED", "mia", 7.1, { seq: 18, made: 6, ends: 7, ...BACK }),
  holdMoment("HOLD_CONFIRMED", "mia", 8, { seq: 19, made: 6, ends: 7, ...TAKEN }),
];

const limitedJournal = () => {
  const reserve = { action: "RESERVE" as const, user_id: "kim", sku: THING, units: 1 };
  const join = (user_id: string) => ({
    ...{ action: "JOIN" as const, user_id, sku: THING, units: 1, offer_seconds: 2 },
  });
  const look = (who: string) => ({
    ...{ action: "LOOK" as const, waiter_id: `W-${who}`, sku: THING, units: 1 },
  });
  const done = (status: number, more: object) => ({ status, replayed: false, ...more });
  const waiting = (who: string) => done(202, { waiter_id: `W-${who}`, waiter_status: "WAITING" });
  const offer = (who: string, ends: number) =>
    done(200, { hold_id: `H-${who}`, waiter_status: "OFFERED", expires_at: at(ends) });
  const back = {
    ...{ action: "RETURN" as const, order_id: "O-leo", sku: THING, units: 1, restock: true },
  };
  const extend = { action: "EXTEND" as const, hold_id: "H-kim", ttl_seconds: 2 };
  const why = { code: "PAYMENT_UNFULFILLED", payment_id: "P-kim", why: "SOLD_OUT" };
  const order = (who: string, seconds: number) => ({
    ...{ order_id: `O-${who}`, hold_status: "CONFIRMED", confirmed_at: at(seconds) + 5 },
  });
  return [
    entry("kim-reserve", reserve, 0.5, done(409, { code: "SALE_NOT_OPEN" })),
    entry("kim-reserve", reserve, 1.1, done(201, { hold_id: "H-kim", expires_at: at(3) })),
    entry("kim-extend", extend, 2, done(200, { expires_at: at(4) })),
    entry("leo-join", join("leo"), 2.1, waiting("leo")),
    entry("mia-join", join("mia"), 2.2, waiting("mia")),
    entry("leo-look", look("leo"), 4.2, offer("leo", 6)),
    entry("kim-pay", moved("kim"), 4.3, done(409, why)),
    entry("leo-pay", payOf("leo"), 5, done(200, order("leo", 5))),
    entry("leo-return", back, 6, done(202, { return_id: "R-leo", returned_at: at(6) })),
    entry("mia-look", look("mia"), 6.1, offer("mia", 7)),
    entry("mia-pay", moved("mia"), 8, done(200, { ...order("mia", 8), late: true })),
  ];
};

/** A payment whose money has moved. */
export const moved = (who: string) => ({
  ...{ action: "CONFIRM" as const, hold_id: `H-${who}`, payment_ref: `payment-${who}` },
  money_has_moved: true as const,
});
