import { expect, test } from "@jest/globals";
import type { Asker } from "../../scripts/drill/ask.ts";
import { type Answer, createJournal, type Outcome } from "../../scripts/drill/journal.ts";
import { shop } from "../../scripts/drill/shopper.ts";
import type { ShopperPlan } from "../../scripts/drill/shopper-plan.ts";
import { monotonicNow } from "../../src/now.ts";

const PLAN: ShopperPlan = {
  number: 17,
  comes_at_ms: 0,
  product: "tea",
  units: 1,
  ttl_seconds: 20,
  asking: "ONCE",
  cut_after_ms: 5,
  ending: "PAY_AT_ONCE",
  thinks_ms: 0,
  ending_asking: "ONCE",
  ending_cut_after_ms: 6,
  misuses_key: false,
  changes_mind: false,
  comes_back: false,
};

const answered = (status: number, more: Partial<Answer> = {}): Outcome => ({
  end: "ANSWERED",
  answer: { status, replayed: false, ...more },
});
const held = () => answered(201, { hold_id: "H-1", expires_at: monotonicNow() + 20 });
const paid = answered(200, { hold_status: "CONFIRMED" });
const sold_out = answered(409, { code: "SOLD_OUT" });

/** Lets a shopper shop where the API answers one after the other of these. */
async function visit(change: Partial<ShopperPlan>, outcomes: Outcome[]) {
  const asked: { what: string; at: number; cut_after_ms: number | undefined }[] = [];
  const journal = createJournal();
  const asker: Asker = {
    ask: async (request, key, cut_after_ms) => {
      const units = request.action === "RESERVE" ? ` ${request.units}` : "";
      const ref = request.action === "CONFIRM" ? ` ${request.payment_ref}` : "";
      const at = monotonicNow();
      asked.push({ what: `${request.action}${units}${ref} ${key}`, at, cut_after_ms });
      const outcome = outcomes.shift() ?? answered(500);
      return { sent_at: at, ended_at: at, frozen_ms: 0, outcome, retry_after_ms: 0 };
    },
    close: () => {},
  };
  await shop({ ...PLAN, ...change }, { seed: 1, asker, journal });
  expect(journal.entries).toHaveLength(asked.length);
  return { asked, whats: asked.map(({ what }) => what) };
}

const RESERVE = "RESERVE 1 drill-1-17-reserve";
const PAY = "CONFIRM payment-17 drill-1-17-pay";
const CANCEL = "CANCEL drill-1-17-cancel";

test("who gets a unit pays for it; who gets none leaves", async () => {
  expect((await visit({}, [held(), paid])).whats).toEqual([RESERVE, PAY]);
  expect((await visit({}, [sold_out])).whats).toEqual([RESERVE]);
});

test("what says nothing of the outcome is asked again, with the same key", async () => {
  const nothing: Outcome[] = [
    answered(503, { code: "RECOVERING" }),
    answered(504, { code: "OUTCOME_UNKNOWN" }),
    { end: "BROKEN" },
    { end: "HUNG" },
  ];
  const { whats } = await visit({}, [...nothing, held(), { end: "CUT" }, paid]);
  expect(whats).toEqual([...Array(5).fill(RESERVE), PAY, PAY]);
});

test.each<[Partial<ShopperPlan>, Outcome[], string[]]>([
  [{ asking: "TWICE" }, [held(), held(), paid], [RESERVE, RESERVE, PAY]],
  [{ asking: "DOUBLE_CLICK" }, [sold_out, held(), paid], [RESERVE, RESERVE, PAY]],
  [{ comes_back: true }, [sold_out, held(), paid], [RESERVE, RESERVE, PAY]],
  [
    { misuses_key: true },
    [held(), answered(422), paid],
    [RESERVE, "RESERVE 2 drill-1-17-reserve", PAY],
  ],
  [{ ending: "ABANDON" }, [held()], [RESERVE]],
  [{ ending: "CANCEL" }, [held(), answered(200)], [RESERVE, CANCEL]],
  [
    { ending: "CANCEL", changes_mind: true },
    [held(), answered(200), answered(409)],
    [RESERVE, CANCEL, "CONFIRM payment-17-b drill-1-17-pay-b"],
  ],
  [{ ending: "PAY_AND_CANCEL" }, [held(), paid, answered(409)], [RESERVE, PAY, CANCEL]],
  [{ ending_asking: "TWICE" }, [held(), paid, paid], [RESERVE, PAY, PAY]],
])("a shopper with %o", async (change, outcomes, whats) => {
  expect((await visit(change, outcomes)).whats).toEqual(whats);
});

test("the connection is cut once for each, and then waited for", async () => {
  const cut: Outcome = { end: "CUT" };
  const change = { asking: "CUT_OFF", ending_asking: "CUT_OFF" } as const;
  const { asked } = await visit(change, [cut, held(), cut, paid]);
  expect(asked.map(({ cut_after_ms }) => cut_after_ms)).toEqual([5, undefined, 6, undefined]);
});

test("who pays late does so after the deadline", async () => {
  const hold = held();
  const deadline = hold.end === "ANSWERED" ? (hold.answer.expires_at ?? 0) : 0;
  const { asked } = await visit({ ending: "PAY_LATE", thinks_ms: 50 }, [hold, answered(410)]);
  expect(asked[1]?.at).toBeGreaterThanOrEqual(deadline + 50 - 2); // timers may be that early
});

test("a fault is over with the first accepted request that was sent after it", async () => {
  const journal = createJournal();
  const entry = (sent_at: number, outcome: Outcome) => ({
    ...{ shopper: 1, key: "k", request: { action: "CANCEL" as const, hold_id: "H-1" } },
    ...{ sent_at, ended_at: sent_at + 1, frozen_ms: 0, outcome },
  });
  const accepted = journal.firstAcceptedAfter(100);
  journal.note(entry(99, paid));
  journal.note(entry(101, sold_out));
  journal.note(entry(102, { end: "BROKEN" }));
  journal.note(entry(103, paid));
  journal.note(entry(104, paid));
  expect(await accepted).toBe(104);
});
