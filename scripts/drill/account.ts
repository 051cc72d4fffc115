import type { Evidence, Finding } from "./evidence.ts";
import { holdFindings } from "./rules/holds.ts";
import { limitFindings } from "./rules/limits.ts";
import { outageFindings } from "./rules/outages.ts";
import { paymentFinding } from "./rules/payments.ts";
import { queueFinding } from "./rules/queues.ts";
import { recordFindings } from "./rules/record.ts";
import { requestFindings } from "./rules/requests.ts";
import { returnFinding } from "./rules/returns.ts";
import { stockFindings } from "./rules/stock.ts";
import { readTold } from "./told.ts";

/** What was promised, and whether it was kept: a line for each thing that can be counted, by promise. */
export function drawAccount(found: Omit<Evidence, "told">): {
  evidence: Evidence;
  findings: Finding[];
} {
  const evidence = { ...found, told: readTold(found.journal) };
  const findings = [
    ...stockFindings(evidence),
    ...holdFindings(evidence),
    ...requestFindings(evidence),
    ...recordFindings(evidence),
    ...outageFindings(evidence),
    ...limitFindings(evidence),
    queueFinding(evidence),
    paymentFinding(evidence),
    returnFinding(evidence),
  ];
  return { evidence, findings: findings.toSorted((one, other) => rank(one) - rank(other)) };
}

export const isBroken = (findings: Finding[]) =>
  findings.some(({ verdict }) => verdict === "BROKEN");

const LAST = 99;
// What no guarantee says comes last.
const rank = ({ promise }: Finding) => Number(promise.slice(1)) || LAST;
