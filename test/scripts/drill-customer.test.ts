import { expect, test } from "@jest/globals";
import type { Asker } from "../../scripts/drill/ask.ts";
import { visit } from "../../scripts/drill/customer.ts";
import { type CustomerPlan, planCustomer } from "../../scripts/drill/customer-plan.ts";
import { type Answer, createJournal, type Outcome } from "../../scripts/drill/journal.ts";
import { planLimitedSale, shareLimited, unitsOf } from "../../scripts/drill/limited-sale.ts";
import { monotonicNow } from "../../src/now.ts";

const PLAN: CustomerPlan = {
  ...{ number: 3, comes_at_ms: 0, user_id: "customer-7", sku: "limited-01", units: 2 },
  ...{ asking: "ONCE", cut_after_ms: 5, ending: "PAY", thinks_ms: 0 },
  ...{ ending_asking: "ONCE", ending_cut_after_ms: 6, extensions: 3, returns: "NOTHING" },
  ...{ restock: true, waits: true, patience_ms: 60_000, offer_seconds: 2, offer: "TAKE" },
  leaves: true,
};

const answered = (status: number, more: Partial<Answer> = {}): Outcome => ({
  end: "ANSWERED",
  answer: { status, replayed: false, ...more },
});
const held = (hold_id = "H-1") => answered(201, { hold_id, expires_at: monotonicNow() + 5 });
const paid = answered(200, { hold_status: "CONFIRMED", order_id: "O-1" });
const done = answered(200);
const refused = (code: string, more: Partial<Answer> = {}) => answered(409, { code, ...more });
const placed = answered(202, { waiter_id: "W-1", waiter_status: "WAITING" });
const waiting = answered(200, { waiter_id: "W-1", waiter_status: "WAITING" });
const offered = answered(200, { ...{ waiter_status: "OFFERED", hold_id: "H-1" }, expires_at: 0 });

/** Lets a customer come where the API answers one after the other of these. */
async function come(change: Partial<CustomerPlan>, outcomes: Outcome[]) {
  const asked: string[] = [];
  const journal = createJournal();
  const asker: Asker = {
    ask: async (request, key) => {
      const { action } = request;
      const payment = action === "CONFIRM" && (request.money_has_moved ? "moved" : "not yet");
      const part = action === "CONFIRM" && request.part ? `${request.part.units} of it` : "";
      const back = action === "RETURN" ? `${request.units} ${request.restock}` : "";
      const words = [action, payment, part, back, key.replace("drill-1-c3-", "")];
      asked.push(words.filter(Boolean).join(" "));
      const at = monotonicNow();
      const outcome = outcomes.shift() ?? answered(500);
      return { sent_at: at, ended_at: at, frozen_ms: 0, outcome, retry_after_ms: 0 };
    },
    close: () => {},
  };
  await visit({ ...PLAN, ...change }, { seed: 1, asker, journal });
  return { asked, noted: journal.entries.map(({ request }) => request.action) };
}

const RESERVE = "RESERVE reserve";
const PAY = "CONFIRM moved pay";

test.each<[Partial<CustomerPlan>, Outcome[], string[]]>([
  [{}, [held(), paid], [RESERVE, "CONFIRM not yet pay"]],
  [{}, [refused("LIMIT_EXCEEDED")], [RESERVE]],
  [{ waits: false }, [refused("SOLD_OUT")], [RESERVE]],
  [{ ending: "ABANDON" }, [held()], [RESERVE]],
  [{ ending: "CANCEL" }, [held(), done], [RESERVE, "CANCEL cancel"]],
  [{ ending: "CANCEL_AND_PAY" }, [held(), done, done], [RESERVE, "CANCEL cancel", PAY]],
  [{ ending: "PAY_A_PART" }, [held(), paid], [RESERVE, "CONFIRM not yet 1 of it pay"]],
  [{ ending: "PAY_LATE" }, [held(), paid], [RESERVE, PAY]],
  [{ ending: "PAY_TWICE" }, [held(), paid, done], [RESERVE, PAY, "CONFIRM moved pay-b"]],
  [
    { ending: "EXTEND_AND_PAY" },
    [held(), done, done, refused("LIMIT_EXCEEDED"), paid],
    [RESERVE, "EXTEND extend-1", "EXTEND extend-2", "EXTEND extend-3", PAY],
  ],
  [
    { returns: "ONE" },
    [held(), paid, done],
    [RESERVE, "CONFIRM not yet pay", "RETURN 1 true return"],
  ],
  [
    { returns: "ONE_BY_ONE", restock: false },
    [held(), paid, done, done],
    [RESERVE, "CONFIRM not yet pay", "RETURN 1 false return", "RETURN 1 true return-2"],
  ],
  [
    { returns: "TOO_MUCH" },
    [held(), paid, refused("RETURN_EXCEEDS_SOLD")],
    [RESERVE, "CONFIRM not yet pay", "RETURN 3 true return"],
  ],
])("a customer with %o", async (change, outcomes, asked) => {
  expect((await come(change, outcomes)).asked).toEqual(asked);
});

test("who comes too early comes again when the sale opens, with the same key", async () => {
  const opens_at = monotonicNow() + 30;
  const early = refused("SALE_NOT_OPEN", { opens_at });
  expect((await come({}, [early, held(), paid])).asked.slice(0, 2)).toEqual([RESERVE, RESERVE]);
  expect(monotonicNow()).toBeGreaterThanOrEqual(opens_at - 2); // timers may be that early
});

const QUEUED = [RESERVE, "JOIN join"];
test.each<[Partial<CustomerPlan>, Outcome[], string[]]>([
  [{}, [refused("STOCK_AVAILABLE")], QUEUED],
  [{}, [placed, waiting, offered, paid], [...QUEUED, "LOOK", "LOOK", "CONFIRM not yet pay"]],
  [{}, [placed, answered(200, { waiter_status: "REFUSED" })], [...QUEUED, "LOOK"]],
  [{ offer: "IGNORE" }, [placed, offered], [...QUEUED, "LOOK"]],
  [{ offer: "LEAVE" }, [placed, offered, done], [...QUEUED, "LOOK", "LEAVE leave"]],
  [{ offer: "TAKE_LATE" }, [placed, offered, paid], [...QUEUED, "LOOK", PAY]],
  [{ patience_ms: 0 }, [placed, done], [...QUEUED, "LEAVE leave"]],
  [{ patience_ms: 0, leaves: false }, [placed], QUEUED],
])("in a queue a customer with %o", async (change, outcomes, expected) => {
  const { asked, noted } = await come(change, [refused("SOLD_OUT"), ...outcomes]);
  expect(asked.map((what) => what.replace("LOOK look", "LOOK"))).toEqual(expected);
  // Who still waits has nothing to write down.
  expect(noted.filter((action) => action === "LOOK").length).toBeLessThanOrEqual(1);
});

test("the same seed plans the same customers, and nothing that they can do is left out", () => {
  const sale = planLimitedSale(200, 74_000, 0);
  const planned = (seed: number) =>
    Array.from({ length: 2_000 }, (_, i) =>
      planCustomer(i, { seed, ms: 74_000, customers: 2_000, sale }),
    );
  const plans = planned(7);
  expect(planned(7)).toEqual(plans);
  expect(planned(8)).not.toEqual(plans);
  const times = plans.map(({ comes_at_ms }) => comes_at_ms);
  expect(times).toEqual(times.toSorted((a, b) => a - b));
  expect(new Set(plans.map(({ sku }) => sku))).toEqual(new Set(sale.keys()));
  expect(new Set(plans.map(({ ending }) => ending)).size).toBe(8);
  expect(new Set(plans.map(({ returns }) => returns)).size).toBe(4);
  expect(new Set(plans.map(({ offer }) => offer)).size).toBe(4);
  // Of each thing some come before it opens, and some more often than once.
  for (const [sku, { opens_at }] of sale) {
    const visits = plans.filter((plan) => plan.sku === sku);
    expect(visits.filter(({ comes_at_ms }) => comes_at_ms < opens_at).length).toBeGreaterThan(5);
    expect(new Set(visits.map(({ user_id }) => user_id)).size).toBeLessThan(visits.length);
  }
});

test.each([
  [1, 0],
  [4, 0],
  [5, 1],
  [25, 1],
  [1_000, 20],
])("of %d units so many are sold by rules as make %d things", (units, things) => {
  const shared = shareLimited({ units, shoppers: 500, seconds: 8 });
  const sale = planLimitedSale(shared.units, shared.ms, 1_000);
  expect(sale.size).toBe(things);
  expect([...unitsOf(sale).values()].reduce((sum, some) => sum + some, 0)).toBe(shared.units);
  expect(shared.customers).toBe(things === 0 ? 0 : 50);
  for (const { opens_at } of sale.values()) {
    expect(opens_at).toBeGreaterThan(1_000);
    expect(opens_at).toBeLessThan(1_000 + shared.ms);
  }
});
