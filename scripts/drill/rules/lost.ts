import type { HoldStatus } from "../../../src/domain/hold.ts";
import {
  count,
  type Evidence,
  type Finding,
  isReported,
  lossesOf,
  reportedLost,
  whole,
} from "../evidence.ts";
import type { Request } from "../journal.ts";
import type { EndStatus, ToldHold } from "../told.ts";

/** Whatever was acknowledged is there, and is as it was acknowledged. */
export function lostFinding(evidence: Evidence): Finding {
  const told = [...evidence.told.holds.values()];
  const wrong = [...lostHolds(evidence).values()];
  const row = count("G2", "acknowledged, and afterwards not there or not so", wrong, {
    number: told.length + told.filter(({ endings }) => isAcknowledged(endings)).length,
    what: "acknowledged",
  });
  // Redis was robbed of what Postgres had not yet: that can't be kept, but it must be told.
  if (wrong.length === 0 || forgivenHolds(evidence).size === 0) return row;
  const figure = `${row.figure}; ${whole(reportedLost(evidence))} reported`;
  return { ...row, promise: "G11", figure, verdict: "kept" };
}

/**
 * The holds that are lost, as far as the system says of so many that they are. Whoever asked for one again
 * got another one, which is no second effect.
 */
export function forgivenHolds(evidence: Evidence): Set<string> {
  if (lossesOf(evidence).length === 0) return new Set();
  const lost = lostHolds(evidence);
  return new Set(isReported(evidence, lost.size) ? lost.keys() : []);
}

/** Which hold a request is about; "" for one that is to make it. */
export const holdIn = (request: Request) => (request.action === "RESERVE" ? "" : request.hold_id);

/** By hold, what is wrong with it. */
function lostHolds(evidence: Evidence): Map<string, string> {
  const lost = new Map<string, string>();
  for (const told of evidence.told.holds.values()) {
    const wrong = lostOf(evidence, told);
    if (wrong) lost.set(told.hold_id, wrong);
  }
  return lost;
}

/** What is wrong with a hold that was acknowledged, and with its ending if that was, too. */
function lostOf({ books }: Evidence, told: ToldHold): string | null {
  const { hold_id, endings, order_ids, denied } = told;
  if (denied) return `${hold_id}: its shopper was told that there is no such hold`;
  for (const [where, { holds }] of [
    ["Redis", books.redis],
    ["Postgres", books.postgres],
  ] as const) {
    const hold = holds.get(hold_id);
    if (!hold) return `${hold_id} is not in ${where}`;
    const ending = [...endings].find((status) => !isSo(status, hold.status));
    if (ending) return `${hold_id}: told ${ending}, is ${hold.status} in ${where}`;
    const order_id = [...order_ids].find((id) => id !== hold.order_id);
    if (order_id) return `${hold_id}: told order ${order_id}, is ${hold.order_id} in ${where}`;
  }
  return null;
}

const isAcknowledged = (endings: Set<EndStatus>) =>
  endings.has("CONFIRMED") || endings.has("CANCELLED");

// A hold is expired from its deadline on, swept or not. What is never swept has a line of its own.
const isSo = (told: EndStatus, status: HoldStatus) =>
  told === status || (told === "EXPIRED" && status === "ACTIVE");
