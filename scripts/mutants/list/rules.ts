import type { Mutant } from "../mutant.ts";

const SETTLE = ["test/lua/settle-payments.test.ts"];
const EXTEND = ["test/lua/extend-holds.test.ts"];
const SERVE = ["test/lua/serve-waiting.test.ts"];

/** What the scripts decide by the rules of a sale, and beside the beginning and the end of a hold. */
export const RULES: Mutant[] = [
  {
    name: "limit-check",
    breaks: "a customer gets one unit more than the rules of the sale allow",
    promise: "G1",
    file: "lua/lib/rules.lua",
    text: 'if left and units > left then return "max_per_customer", left end',
    instead: 'if left and units > left + 1 then return "max_per_customer", left end',
    tests: ["test/lua/rules.test.ts"],
  },
  {
    name: "waiting-order",
    breaks: "whoever came last is served first",
    promise: "G1",
    file: "lua/lib/waiting.lua",
    text: 'queue.ids = call("ZRANGE",',
    instead: 'queue.ids = call("ZREVRANGE",',
    tests: SERVE,
  },
  {
    name: "queue-jumped",
    breaks: "a reserve takes units that somebody waits for",
    promise: "G1",
    file: "lua/lib/conditions.lua",
    text: "local corrupt_queue = serve_lines(request.lines)",
    instead: "local corrupt_queue = nil",
    tests: SERVE,
  },
  {
    name: "return-cap",
    breaks: "more comes back of an order than was sold",
    promise: "G13",
    file: "src/domain/returns.ts",
    text: "return requested > units - returned ?",
    instead: "return requested > units ?",
    tests: ["test/domain/returns.test.ts"],
  },
  {
    name: "extension-cap",
    breaks: "a hold is extended beyond the time that it may last",
    promise: "G6",
    file: "lua/extend_holds.lua",
    text: "local wanted = math.min(now + ttl_ms, max_expires_at)",
    instead: "local wanted = now + ttl_ms",
    tests: EXTEND,
  },
  {
    name: "extension-count",
    breaks: "a hold is extended more often than it may be",
    promise: "G6",
    file: "lua/extend_holds.lua",
    text: "if left == 0 then",
    instead: "if false then",
    tests: EXTEND,
  },
  {
    name: "late-payment-check",
    breaks: "a payment that came late takes units that somebody else has",
    promise: "G1",
    file: "lua/settle_payments.lua",
    text: "(stopped or line.sold > free_units(line.stock))",
    instead: "stopped",
    tests: SETTLE,
  },
  {
    name: "change-unchecked",
    breaks: "a hold is made larger than there is",
    promise: "G1",
    file: "lua/change_holds.lua",
    text: "if wanted > free_units(stock) then",
    instead: "if false then",
    tests: ["test/lua/change-holds.test.ts"],
  },
  {
    name: "part-keeps-all",
    breaks: "what a partial confirm does not sell is lost",
    promise: "G6",
    file: "lua/lib/selling.lua",
    text: "move_line(line, hold, line.quantity - line.sold, -line.quantity, -1)",
    instead: "move_line(line, hold, 0, -line.quantity, -1)",
    tests: ["test/lua/partial-confirms.test.ts"],
  },
  {
    name: "moved-is-drift",
    breaks: "the audit alarms at what moved while it looked",
    promise: "G7",
    file: "src/postgres/sale-auditing.ts",
    text: "ledger: differs(i) && hasMoved(name) ? undefined : said[i],",
    instead: "ledger: said[i],",
    tests: ["test/worker/auditor-sales-busy.test.ts"],
  },
];
