import type { Facts } from "./facts.ts";
import type { Finding, Urgency } from "./finding.ts";
import { judgeBooks } from "./judge-books.ts";
import { judgeParts } from "./judge-parts.ts";

const ORDER: Urgency[] = ["NOW", "TODAY", "NOTE"];

/** All that is wrong, the most urgent first; what causes something else comes before it. */
export function judge(facts: Facts): Finding[] {
  const findings = [...judgeParts(facts), ...judgeBooks(facts)];
  return findings.toSorted(
    (one, other) => ORDER.indexOf(one.urgency) - ORDER.indexOf(other.urgency),
  );
}
