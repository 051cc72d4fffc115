import type { Mutant } from "../mutant.ts";

const OPTIONS = ["test/lua/reserve-options.test.ts"];
const RULES = ["test/lua/rules.test.ts"];
const SERVE = ["test/lua/serve-waiting.test.ts"];

/** What only some reserves have to meet, and when that is looked at at all. */
export const CONDITIONS: Mutant[] = [
  {
    name: "replaced-hold-stays",
    breaks: "REPLACE leaves both holds, and units that somebody has twice",
    promise: "G1",
    file: "lua/lib/conditions.lua",
    text: "  if replaced then\n",
    instead: "  if false then\n",
    tests: OPTIONS,
  },
  {
    name: "part-beyond-the-rules",
    breaks: "PARTIAL takes what there is, whatever the rules of the sale allow",
    promise: "G1",
    file: "lua/lib/conditions.lua",
    text: "    units = math.min(units, allowed or units)\n",
    instead: "",
    tests: OPTIONS,
  },
  {
    name: "stopped-is-no-condition",
    breaks: "a sku that was stopped is sold as long as no other has rules",
    promise: "G1",
    file: "lua/create_holds.lua",
    text: "filled[rules_key] or filled[stopped_key] or filled[waiting_key]",
    instead: "filled[rules_key] or filled[waiting_key]",
    tests: RULES,
  },
  {
    name: "waiting-is-no-condition",
    breaks: "a reserve takes what others wait for as long as no sku has rules",
    promise: "G1",
    file: "lua/create_holds.lua",
    text: "filled[rules_key] or filled[stopped_key] or filled[waiting_key]",
    instead: "filled[rules_key] or filled[stopped_key]",
    tests: SERVE,
  },
  {
    name: "last-options-decide",
    breaks: "the rules are looked at only if the last request of a batch has options",
    promise: "G1",
    file: "lua/create_holds.lua",
    text: 'has_conditions = has_conditions or options ~= ""',
    instead: 'has_conditions = options ~= ""',
    tests: RULES,
  },
  {
    name: "options-of-another",
    breaks: "all requests of a batch have the options and the times of the first one",
    promise: "G6",
    file: "lua/create_holds.lua",
    text: "local known = terms_by_text[text]",
    instead: "local _, known = next(terms_by_text)",
    tests: ["test/lua/create-holds-batches.test.ts"],
  },
  {
    name: "freed-serves-nobody",
    breaks: "what a replaced hold gives back is not offered to those who wait for it",
    promise: "G1",
    file: "lua/create_holds.lua",
    text: "if conditions then conditions.finish() end\n",
    instead: "",
    tests: SERVE,
  },
];
