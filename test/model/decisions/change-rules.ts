import { EVENT_ID, earlierAnswer, KEYED_WORDS, remember } from "../keyed.ts";
import { addFact, type Decision, learnTime, type Model, refuse } from "../model.ts";
import type { Answer, ChangeRules } from "../requests.ts";

export const changeRulesWords = [
  ...KEYED_WORDS.filter((word) => word !== "CORRUPT"),
  ...["CHANGED", "RULES_NOT_FOUND", "VERSION_CONFLICT"],
  ...["sets rules", "takes them away", "begins to count customers"],
];

/** A rule that is not there, and a switch that is off, say nothing. */
const isSaid = ([, value]: [string, unknown]) => value !== undefined && value !== false;
const saidOf = (rules: object | null) =>
  rules && Object.fromEntries(Object.entries(rules).filter(isSaid));

export function changeRules(model: Model, request: ChangeRules, said: Answer): Decision {
  const { sku, rules, if_version } = request;
  if (request.late) return refuse("LATE");
  const refused = earlierAnswer(model, request);
  if (refused) return refused;
  const before = model.rules.get(sku);
  const now_at = before?.rules ? before.version : 0;
  if (if_version !== undefined && if_version !== now_at) {
    return refuse("VERSION_CONFLICT", { sku, version: now_at });
  }
  if (!rules && !before?.rules) return refuse("RULES_NOT_FOUND", { sku });

  const version = model.events.length + 1;
  const says = { version, changed_at: said.changed_at };
  const was_counted = before?.counts ?? false;
  const is_limited = rules?.max_per_customer !== undefined || rules?.max_active_holds !== undefined;
  const counts = was_counted || is_limited;
  const begins = counts && !was_counted;
  const effect = () => {
    const fact = addFact(model, "RULES_CHANGED");
    learnTime(fact, said.changed_at);
    const told = { rules: saidOf(rules), before: saidOf(before?.rules ?? null) };
    fact.payload = { actor: "api", sku, ...told, version, counts, counting_begins: begins };
    if (rules || counts) model.rules.set(sku, { rules, version, counts });
    else model.rules.delete(sku);
    remember(model, request, fact, says, [EVENT_ID, version, said.changed_at]);
  };
  const seen = begins ? "begins to count customers" : rules ? "sets rules" : "takes them away";
  return { word: "CHANGED", says, effect, seen };
}
