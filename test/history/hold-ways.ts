import type { HoldStatus } from "../../src/domain/hold.ts";
import type { Ending, Extend, ReadHold, Reserve, Resize, SkuOperation } from "./operations.ts";
import {
  countsOf,
  type Hold,
  limitWays,
  moved,
  once,
  replay,
  type Sku,
  SLACK_MS,
  type Span,
  type Way,
  withHold,
} from "./sku-state.ts";

// The ways in which what is asked of holds may go.

/** What a hold may be extended, where no rule says how often and for how long. */
const EXTENSIONS_MAX = 10;

export function reserve(sku: Sku, input: Reserve, { called, returned }: SkuOperation): Way[] {
  const { key, store_id, quantity, ttl_ms, user } = input;
  const named = `hold ${key}`;
  if (sku.holds.has(key)) return [{ says: { word: "REPLAYED" }, named }];
  const limited = limitWays(sku, user, quantity);
  if (limited) return limited;
  const { available, held } = countsOf(sku, store_id);
  const short = held > 0 ? "ALL_HELD" : "SOLD_OUT";
  if (available < quantity) return [{ says: { word: short, available } }];
  const due = { from: called + ttl_ms - SLACK_MS, to: returned + ttl_ms + SLACK_MS };
  const hold = { store_id, user, quantity, status: "ACTIVE", due, extensions: 0 } as const;
  const made = withHold(sku, key, hold);
  return [{ says: { word: "CREATED" }, named, after: moved(made, store_id, -quantity, quantity) }];
}

export function end(
  sku: Sku,
  { does, hold: key }: Ending,
  { called, returned }: SkuOperation,
): Way[] {
  const hold = sku.holds.get(key);
  if (!hold) return [];
  const { store_id, quantity, status, due } = hold;
  const named = `order ${key}`;
  if (status === "ACTIVE") {
    const ended = (as: HoldStatus) =>
      moved(
        withHold(sku, key, { ...hold, status: as }),
        store_id,
        as === "CONFIRMED" ? 0 : quantity,
        -quantity,
      );
    const alive: Record<typeof does, Way> = {
      confirm: { says: { word: "CONFIRMED" }, named, after: ended("CONFIRMED") },
      cancel: { says: { word: "CANCELLED" }, after: ended("CANCELLED") },
      expire: { says: { word: "NOT_DUE" } },
    };
    const expired = { says: { word: "EXPIRED" }, after: ended("EXPIRED") };
    const over: Record<typeof does, Way[]> = {
      confirm: [{ says: { word: "HOLD_EXPIRED" } }],
      cancel: [expired],
      // When the reply to a call's first try is lost, its second finds the hold ended.
      expire: [expired, { ...expired, says: { word: "ENDED" } }],
    };
    return [
      ...(called - SLACK_MS < due.to ? [alive[does]] : []),
      ...(returned + SLACK_MS >= due.from ? over[does] : []),
    ];
  }
  if (does === "expire") return [{ says: { word: "ENDED" } }];
  if (does === "confirm") {
    if (status === "CONFIRMED") return [{ says: { word: "REPLAYED" }, named }];
    return [{ says: { word: `HOLD_${status}` } }];
  }
  if (status === "CONFIRMED") return [{ says: { word: "HOLD_ALREADY_CONFIRMED" } }];
  return [{ says: { word: "REPLAYED", status } }];
}

const TOLD = { ACTIVE: "HOLD_EXPIRED", EXPIRED: "HOLD_EXPIRED", CANCELLED: "HOLD_CANCELLED" };
const goneWord = (status: HoldStatus) =>
  status === "CONFIRMED" ? "HOLD_ALREADY_CONFIRMED" : TOLD[status];

/** What a hold that is alive lets do, or why it does not: near its deadline either may be. */
function ofLiving(
  sku: Sku,
  { key, hold: name }: Extend | Resize,
  { called, returned }: SkuOperation,
  alive: (hold: Hold) => Way[],
): Way[] {
  const hold = sku.holds.get(name);
  if (!hold) return [];
  const again = replay(sku, key);
  if (again) return again;
  const is_active = hold.status === "ACTIVE";
  return [
    ...(is_active && called - SLACK_MS < hold.due.to ? alive(hold) : []),
    ...(!is_active || returned + SLACK_MS >= hold.due.from
      ? [{ says: { word: goneWord(hold.status) } }]
      : []),
  ];
}

export function extend(sku: Sku, input: Extend, operation: SkuOperation): Way[] {
  const { called, returned, output } = operation;
  const before = sku.changes.get(input.key);
  // Of one whose answer was lost nobody knows until when it was.
  const until = before?.expires_at ?? output?.expires_at;
  if (before) return [{ says: { ...before, word: "REPLAYED", expires_at: until } }];
  return ofLiving(sku, input, operation, (hold) => {
    const left = EXTENSIONS_MAX - hold.extensions;
    const due = { from: called + input.ttl_ms - SLACK_MS, to: returned + input.ttl_ms + SLACK_MS };
    const told = output?.expires_at;
    const longer = withHold(sku, input.hold, {
      ...hold,
      due: told === undefined ? due : { from: told, to: told },
      extensions: hold.extensions + 1,
    });
    const says = { word: "EXTENDED", expires_at: told, left: left - 1 };
    const is_longer = told === undefined ? due.to > hold.due.from : told > hold.due.from;
    const is_told = told === undefined || (told >= due.from && told <= due.to);
    const same = { word: "EXTENDED", expires_at: told, left };
    return [
      ...(is_longer && is_told && left > 0 ? [once(sku, input.key, says, longer)] : []),
      // It would not end later than it does.
      ...(due.from <= hold.due.to && isIn(hold.due, told) ? [{ says: same }] : []),
      ...(is_longer && left === 0 ? [{ says: { word: "LIMIT_EXCEEDED", left } }] : []),
    ];
  });
}

const isIn = ({ from, to }: Span, told: number | undefined) =>
  told === undefined || (told >= from && told <= to);

export function resize(sku: Sku, input: Resize, operation: SkuOperation): Way[] {
  return ofLiving(sku, input, operation, (hold) => {
    const { store_id, user } = hold;
    const { quantity } = input;
    const more = quantity - hold.quantity;
    if (more === 0) return [{ says: { word: "CHANGED", quantity } }];
    const limited = more > 0 ? limitWays(sku, user, more) : undefined;
    if (limited) return limited;
    const { available, held } = countsOf(sku, store_id);
    const short = held > hold.quantity ? "ALL_HELD" : "SOLD_OUT";
    if (more > available) return [{ says: { word: short, available } }];
    const now = quantity > 0 ? { ...hold, quantity } : { ...hold, status: "CANCELLED" as const };
    const after = moved(withHold(sku, input.hold, now), store_id, -more, more);
    const word = quantity > 0 ? "CHANGED" : "CANCELLED";
    return [once(sku, input.key, { word, quantity }, after)];
  });
}

export function readHold({ holds }: Sku, { hold: key }: ReadHold): Way[] {
  const hold = holds.get(key);
  return hold ? [{ says: { word: "HOLD", status: hold.status }, named: `hold ${key}` }] : [];
}
