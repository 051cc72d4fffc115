import { keptRulesText, parseKeptRules } from "./rules.ts";

/** How both sides can disagree on what limits a sale, and what it means. */
export const SALE_DRIFTS = {
  RULES: "Redis enforces other rules of the sku's sale than were last decided.",
  CUSTOMER_COUNT: "Redis counts other units or active holds of a customer than the ledger has.",
  OWN_HOLD: "Redis's index of own holds names one that is no active hold of this customer and sku.",
  QUEUE: "Redis's number of those who wait for a stock, their queue and their places differ.",
  WAITER: "Somebody waits on one side only, or in another place of the queue.",
} as const;
export type SaleDrift = keyof typeof SALE_DRIFTS;
export const SALE_DRIFT_KINDS = Object.keys(SALE_DRIFTS) as SaleDrift[]; // Object.keys forgets the literals

/** Those that concern a whole sku, and so may stop its sale. */
export const ofWholeSku = (kind: string) => kind === "RULES";

/** What is compared. What it is not about is empty. */
export type SaleName = {
  kind: SaleDrift;
  sku: string;
  store_id: string;
  user_id: string;
  waiter_id: string;
};

/** What both sides say of it, in words; null: nothing. They agree when the words are the same. */
export type SaleSides = { redis: string | null; ledger: string | null };

export const saleNameOf = (kind: SaleDrift, of: Partial<SaleName>): SaleName => ({
  ...{ sku: "", store_id: "", user_id: "", waiter_id: "" },
  ...of,
  kind,
});

/** A key for maps: no part but the customer has a space in it. */
export const saleKeyOf = ({ kind, sku, store_id, user_id, waiter_id }: SaleName) =>
  `${kind} ${sku} ${store_id} ${waiter_id} ${user_id}`;

/** Rules as Redis has them. Where they were taken away and nobody is counted, a recovery may leave a word. */
export function rulesSaid(text: string | null): string | null {
  const kept = text === null ? null : parseKeptRules(text);
  if (!kept) return text;
  return kept.rules || kept.counts ? keptRulesText(kept) : null;
}

/** What a customer has; nothing is not kept. */
export const countSaid = (units: number, active: number): string | null =>
  units === 0 && active === 0 ? null : `${units} ${active}`;

/** A place in a queue. */
export const waiterSaid = (waiter_id: string, seq: number | string) => `${waiter_id} at ${seq}`;

/** What has to be added to Redis's count so that it is the ledger's; null when Redis's can't be read. */
export function recountOf({ redis, ledger }: SaleSides): { units: number; active: number } | null {
  const [here, there] = [countIn(redis), countIn(ledger)];
  return here && there && { units: there.units - here.units, active: there.active - here.active };
}

function countIn(said: string | null): { units: number; active: number } | null {
  if (said === null) return { units: 0, active: 0 };
  const [, units, active] = /^(-?\d{1,15}) (-?\d{1,15})$/.exec(said) ?? [];
  return units === undefined || active === undefined
    ? null
    : { units: Number(units), active: Number(active) };
}

const ADVICE: Record<SaleDrift, string> = {
  RULES:
    "If Redis's were meant, PUT them (/v1/rules/{sku}): then both sides have them. Else give back what was decided: PUT that, or HSET inventory.rules <sku> with what the ledger says.",
  CUSTOMER_COUNT:
    "Replay the dead letters first, if there are some: a recount would take out of Redis what they are about. Then ask for a recount: POST /v1/audit:recount. The audit puts the count right when it next looks at it, whatever the customer does meanwhile.",
  OWN_HOLD:
    'Replay the dead letters first, if there are some. Then take it out with redis-cli: HDEL inventory.own_holds "<sku> <user_id>". The customer\'s next hold is noted again.',
  QUEUE:
    "Set the number with redis-cli to that of the queue: HSET inventory.waiting <stock> <number>, or HDEL it when nobody waits. Where a place lacks its customer, HSET inventory.waiting_users:<stock> <user_id> <waiter_id>.",
  WAITER:
    "Replay the dead letters first, if there are some. Let the customer leave the queue and join again; one that only Redis knows leaves by DELETE /v1/waitlist/{id}. Who is missing in Redis is put back by ZADD inventory.waiting:<stock> and HSET inventory.waiting_users:<stock>.",
};

/** Never done by itself: an operator decides. */
export function proposeSaleRepair({ kind, ...sides }: SaleSides & { kind: SaleDrift }): {
  recount: boolean;
  advice: string;
} {
  if (kind !== "CUSTOMER_COUNT" || recountOf(sides)) {
    return { recount: kind === "CUSTOMER_COUNT", advice: ADVICE[kind] };
  }
  return {
    recount: false,
    advice:
      'It is no count. Take it out with redis-cli: HDEL inventory.customers "<sku> <user_id>"; then ask for a recount.',
  };
}
