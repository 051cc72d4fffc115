import type { Answer, Entry, Request } from "./journal.ts";

export type EndStatus = "CONFIRMED" | "CANCELLED" | "EXPIRED";

/** What shoppers were told of a hold, put together from all answers. */
export type ToldHold = {
  hold_id: string;
  key: string;
  sku: string;
  units: number;
  expires_at: number;
  /** How it has ended, by everybody who was told so. */
  endings: Set<EndStatus>;
  order_ids: Set<string>;
  /** Somebody was told that there is no such hold. */
  denied: boolean;
  asked: { payments: Set<string>; cancel: boolean };
};

/** All attempts under one idempotency key, in the order in which they ended. */
export type Key = { key: string; entries: Entry[] };

export type Told = { holds: Map<string, ToldHold>; keys: Key[] };

export const answerOf = ({ outcome }: Entry): Answer | undefined =>
  outcome.end === "ANSWERED" ? outcome.answer : undefined;

export function readTold(journal: Entry[]): Told {
  const holds = new Map<string, ToldHold>();
  for (const entry of journal) {
    const hold = acknowledged(entry);
    if (hold && !holds.has(hold.hold_id)) holds.set(hold.hold_id, hold);
  }
  for (const entry of journal) {
    const { request } = entry;
    if (request.action === "RESERVE") continue;
    const hold = holds.get(request.hold_id);
    if (!hold) continue;
    if (request.action === "CONFIRM") hold.asked.payments.add(request.payment_ref);
    else hold.asked.cancel = true;
    const answer = answerOf(entry);
    if (!answer) continue;
    const ending = endingIn(request, answer);
    if (ending) hold.endings.add(ending);
    if (answer.order_id !== undefined) hold.order_ids.add(answer.order_id);
    if (answer.code === "HOLD_NOT_FOUND") hold.denied = true;
  }
  const by_key = Map.groupBy(journal, ({ key }) => key);
  return { holds, keys: [...by_key].map(([key, entries]) => ({ key, entries })) };
}

function acknowledged({ request, key, outcome }: Entry): ToldHold | null {
  if (request.action !== "RESERVE" || outcome.end !== "ANSWERED") return null;
  const { status, hold_id, expires_at = 0 } = outcome.answer;
  if (status !== 201 || hold_id === undefined) return null;
  return {
    ...{ hold_id, key, expires_at, sku: request.sku, units: request.units, denied: false },
    ...{ endings: new Set(), order_ids: new Set() },
    asked: { payments: new Set(), cancel: false },
  };
}

/** How a hold has ended, if the answer to a payment or to a cancellation says so. */
function endingIn({ action }: Request, { status, code, hold_status }: Answer): EndStatus | null {
  if (status === 200 && action === "CONFIRM") return "CONFIRMED";
  if (status === 200) return hold_status === "EXPIRED" ? "EXPIRED" : "CANCELLED";
  if (code === "HOLD_EXPIRED") return "EXPIRED";
  if (code === "HOLD_CANCELLED") return "CANCELLED";
  if (code === "HOLD_ALREADY_CONFIRMED") return "CONFIRMED";
  return null;
}
