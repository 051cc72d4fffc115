import type { Mutant } from "../mutant.ts";

const DIVERGED = ["test/recovery/diverged.test.ts"];
const EVENTS = ["test/http/v1/events-of-a-stock.test.ts"];

/** The rules of a sale, who waits, and what comes after it. */
export const SALE: Mutant[] = [
  {
    name: "jitter-beyond-rules",
    breaks: "a hold lasts longer than the rules of its sale let it, since jitter is added to it",
    promise: "G6",
    file: "lua/lib/taking.lua",
    text: "return math.min(ms + jitter_ms, hold_ms_max_of(lines))",
    instead: "return math.min(ms, hold_ms_max_of(lines)) + jitter_ms",
    tests: ["test/lua/rules.test.ts"],
  },
  {
    name: "offer-is-nobodys",
    breaks: "replace does not find the offer that its customer has just been made",
    promise: "G6",
    file: "lua/lib/waiting.lua",
    text: 'set_own_hold(waiter.sku, waiter.user_id, "H-" .. id_of(waiter))',
    instead: "",
    tests: ["test/lua/reserve-options.test.ts"],
  },
  {
    name: "rules-of-a-former-master",
    breaks: "rules that only a former master has stay in force",
    promise: "G11",
    file: "lua/admission/restore_rules.lua",
    text: 'if (forced and is_first) or read("HLEN", rules_key) == nil then',
    instead: 'if read("HLEN", rules_key) == nil then',
    tests: DIVERGED,
  },
  {
    name: "waiters-of-a-former-master",
    breaks: "who waits by the word of a former master alone waits for ever",
    promise: "G11",
    file: "lua/admission/restore_waiting.lua",
    text: 'call("UNLINK", waiter_prefix .. waiter_id)',
    instead: "local _ = waiter_prefix .. waiter_id",
    tests: DIVERGED,
  },
  {
    name: "own-holds-of-a-former-master",
    breaks: "a hold that has ended hides the one that its customer has",
    promise: "G11",
    file: "lua/admission/restore_counts.lua",
    text: 'call("DEL", customers_key, own_holds_key)',
    instead: 'call("DEL", customers_key)',
    tests: DIVERGED,
  },
  {
    name: "still-events-unlisted",
    breaks: "the events of a sku are only those that moved its units",
    promise: "G8",
    file: "src/postgres/recording-rows.ts",
    text: "...(plan.unmoved.length > 0 ? [insertUnmoved(plan.unmoved)] : []),",
    instead: "...(plan.unmoved.length < 0 ? [insertUnmoved(plan.unmoved)] : []),",
    tests: EVENTS,
  },
  {
    name: "return-not-kept",
    breaks: "a return whose API died between its two steps is never taken back",
    promise: "G7",
    file: "worker/keeper.ts",
    text: "stocks.runOnce(), returns.runOnce()]",
    instead: "stocks.runOnce(), Promise.resolve(0)]",
    tests: ["test/faults/half-done.test.ts"],
  },
  {
    name: "drift-stops-nobody",
    breaks: "a sku that drifts goes on being sold, though it was to be stopped",
    promise: "G13",
    file: "lua/lib/rules.lua",
    text: 'if stopped_by_sku[sku] then return "stopped" end',
    instead: "",
    tests: ["test/main/audit-pauses.test.ts"],
  },
];
