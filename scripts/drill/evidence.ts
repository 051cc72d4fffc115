import type { Books } from "./books.ts";
import type { Fault } from "./faults.ts";
import type { Entry } from "./journal.ts";
import { kindOf } from "./kinds.ts";
import type { Sale } from "./sale.ts";
import type { Told } from "./told.ts";

/** All that the account is drawn from: what shoppers were told, what both stores say, what was done. */
export type Evidence = {
  journal: Entry[];
  told: Told;
  books: Books;
  faults: Fault[];
  sale: Sale;
};

export type Verdict = "kept" | "BROKEN" | "not tried";

/** One line of the account. */
export type Finding = {
  /** G1 to G13, as the guarantees are numbered; empty for what none of them says. */
  promise: string;
  /** What was counted, in words for somebody who does not know the system. */
  says: string;
  figure: string;
  verdict: Verdict;
  /** A sentence for each thing that is wrong. */
  wrong: string[];
};

/** A line that counts what is wrong: none means that the promise was kept. @param of.units counts instead */
export function count(
  promise: string,
  says: string,
  wrong: string[],
  of: { number: number; what: string; units?: number; note?: string },
): Finding {
  const bad = of.units ?? wrong.length;
  const verdict = wrong.length > 0 ? "BROKEN" : of.number === 0 ? "not tried" : "kept";
  const counted = `${whole(bad)} of ${whole(of.number)} ${of.what}${of.note ?? ""}`;
  const figure = verdict === "not tried" ? `there were no ${of.what}` : counted;
  return { promise, says, figure, verdict, wrong };
}

export const whole = (value: number) => Math.round(value).toLocaleString("en-US");

/** Redis was emptied on purpose. What nobody had recorded by then is gone. */
export const lossesOf = ({ faults }: Evidence) =>
  faults.filter(({ kind }) => kindOf(kind).loses_data === true);

/** What the system itself says of it. Of what was not taken from it on purpose nothing may be lost. */
export const reportsOf = (evidence: Evidence) =>
  lossesOf(evidence).length > 0 ? evidence.books.postgres.losses : [];

/** How many events are gone, by that. */
export const reportedLost = (evidence: Evidence) =>
  reportsOf(evidence).reduce((sum, { events_lost }) => sum + events_lost, 0);

/** Whether so many things may be gone, by that. */
export const isReported = (evidence: Evidence, number: number) =>
  number <= reportedLost(evidence) || reportsOf(evidence).some(({ exact }) => !exact);
