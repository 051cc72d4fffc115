/**
 * What a shop may say about the sale of one sku. A rule that is not there does not limit. Times are ms since
 * 1970 on Redis's clock.
 */
export type SaleRules = {
  /** Units in one hold or purchase. */
  max_per_order?: number | undefined;
  /** Units that one customer has in live holds and in orders, together. */
  max_per_customer?: number | undefined;
  /** Active holds that one customer has at a time. */
  max_active_holds?: number | undefined;
  /** Nobody takes any before. */
  opens_at?: number | undefined;
  /** Nobody takes any from then on. What is held by then may still be confirmed. */
  closes_at?: number | undefined;
  /** Nobody takes any. */
  paused?: boolean | undefined;
  /** How long a hold lasts when its caller does not say. */
  hold_seconds?: number | undefined;
  /** How long a hold may last from its creation on, with all extensions. */
  max_hold_seconds?: number | undefined;
  /** How often a hold may be extended. */
  max_extensions?: number | undefined;
  /** What comes back as a return may be bought again by the same customer. */
  returns_free?: boolean | undefined;
};

export type KeptRules = {
  /** Null: they were taken away, but customers are still counted. */
  rules: SaleRules | null;
  /** The seq of the event that set them. */
  version: number;
  /** Whether customers' units are counted: from the first limit per customer on, for good. */
  counts: boolean;
};

/** What a customer has of a sku: units live or sold, and lines of active holds. */
export type CustomerCount = { sku: string; user_id: string; units: number; active: number };

/** What a customer had of a sku before it was counted: Redis is told in the order of their places. */
export type CustomerBase = CustomerCount & { place: number };

const NUMBERS = [
  "max_per_order",
  "max_per_customer",
  "max_active_holds",
  "opens_at",
  "closes_at",
  "hold_seconds",
  "max_hold_seconds",
  "max_extensions",
] as const satisfies (keyof SaleRules)[];
const SWITCHES = ["paused", "returns_free"] as const satisfies (keyof SaleRules)[];

/** Rules as lua/lib/rules.lua reads them: "<name>=<number>" joined by spaces; "" when they say nothing. */
export function rulesText(rules: SaleRules): string {
  const numbers = NUMBERS.flatMap((name) =>
    rules[name] === undefined ? [] : [`${name}=${rules[name]}`],
  );
  return [...numbers, ...SWITCHES.filter((name) => rules[name]).map((name) => `${name}=1`)].join(
    " ",
  );
}

/** The text that Redis keeps of a sku's rules. */
export function keptRulesText({ rules, version, counts }: KeptRules): string {
  const known = [`version=${version}`, ...(counts ? ["counts=1"] : [])];
  return [...known, rules ? rulesText(rules) : "removed=1"].join(" ");
}

/** Reads what `keptRulesText` wrote; null when it is something else. */
export function parseKeptRules(text: string): KeptRules | null {
  const found = new Map<string, number>();
  for (const word of text.split(" ").filter(Boolean)) {
    const [, name = "", digits] = /^([a-z_]+)=(\d{1,15})$/.exec(word) ?? [];
    if (digits === undefined) return null;
    found.set(name, Number(digits));
  }
  const version = found.get("version");
  if (version === undefined) return null;
  const removed = found.get("removed") === 1;
  return { rules: removed ? null : rulesIn(found), version, counts: found.get("counts") === 1 };
}

function rulesIn(found: Map<string, number>): SaleRules {
  const rules: SaleRules = {};
  for (const name of NUMBERS) if (found.has(name)) rules[name] = found.get(name);
  for (const name of SWITCHES) if (found.get(name) === 1) rules[name] = true;
  return rules;
}

/** The rules in a RULES_CHANGED event's payload; members it does not know are left out. */
export function rulesFromJson(json: Record<string, unknown>): SaleRules {
  const rules: SaleRules = {};
  for (const name of NUMBERS) {
    const value = json[name];
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) rules[name] = value;
  }
  for (const name of SWITCHES) if (json[name] === true) rules[name] = true;
  return rules;
}
