import type { Evidence } from "./evidence.ts";
import { whole } from "./evidence.ts";
import { type Entry, isAccepted, isUnavailable } from "./journal.ts";
import { type FaultKind, kindOf } from "./kinds.ts";
import { answerOf } from "./told.ts";

/** What shoppers were answered, a row for each sort of answer. */
export type AnswerRow = { says: string; count: number; per_second: number; parts: string[] };

export function answerRows({ journal, told, sale }: Evidence): AnswerRow[] {
  const seconds = (sale.closed_at - sale.opened_at) / 1000;
  const row = (says: string, entries: Entry[], parts: string[]) => ({
    ...{ says, count: entries.length, parts },
    per_second: entries.length / seconds,
  });
  const sorts = Map.groupBy(journal, sortOf);
  const of = (sort: Sort) => sorts.get(sort) ?? [];
  const open = told.keys.filter(({ entries }) =>
    entries.every((entry) => !["ACCEPTED", "REFUSED"].includes(sortOf(entry))),
  );
  return [
    row("accepted", of("ACCEPTED"), doneIn(of("ACCEPTED"))),
    row("refused", of("REFUSED"), byCode(of("REFUSED"))),
    row("unavailable (503, 504)", of("UNAVAILABLE"), byCode(of("UNAVAILABLE"))),
    row("connection broken", of("BROKEN"), ["the API was away: asked again with the same key"]),
    row("cut off by the shopper", of("CUT"), ["on purpose: asked again with the same key"]),
    row(
      "never learned the outcome",
      open.map(({ entries: [first] }) => first).filter((entry) => entry !== undefined),
      ["gave up after 30 s"],
    ),
  ];
}

type Sort = "ACCEPTED" | "REFUSED" | "UNAVAILABLE" | "CUT" | "BROKEN" | "HUNG";

function sortOf({ outcome }: Entry): Sort {
  if (outcome.end !== "ANSWERED") return outcome.end;
  if (isAccepted(outcome)) return "ACCEPTED";
  return isUnavailable(outcome.answer) ? "UNAVAILABLE" : "REFUSED";
}

/** What was accepted, each key once, and how often somebody was told again. */
function doneIn(accepted: Entry[]): string[] {
  const firsts = [...new Map(accepted.toReversed().map((entry) => [entry.key, entry])).values()];
  const counted = (what: string, test: (entry: Entry) => boolean) => {
    const count = firsts.filter(test).length;
    return count === 0 ? [] : `${whole(count)} ${what}`;
  };
  const is = (action: Entry["request"]["action"]) => (entry: Entry) =>
    entry.request.action === action;
  const isTooLate = (entry: Entry) => answerOf(entry)?.hold_status === "EXPIRED";
  const again = accepted.length - firsts.length;
  return [
    counted("held", is("RESERVE")),
    counted("paid", is("CONFIRM")),
    counted("given more time", is("EXTEND")),
    counted("taken back", is("RETURN")),
    counted("cancelled", (entry) => is("CANCEL")(entry) && !isTooLate(entry)),
    counted("expired before they were cancelled", isTooLate),
    counted("queued", is("JOIN")),
    counted("told of an offer", is("LOOK")),
    counted("left a queue", is("LEAVE")),
    again === 0 ? [] : `${whole(again)} asked and told again`,
  ].flat();
}

/** The most frequent one first. */
function byCode(entries: Entry[]): string[] {
  const codes = Map.groupBy(entries, (entry) => answerOf(entry)?.code ?? "no code");
  return [...codes]
    .toSorted(([, some], [, others]) => others.length - some.length)
    .map(([code, some]) => `${whole(some.length)} ${code.toLowerCase().replaceAll("_", " ")}`);
}

/** What was done to the system, a row for each kind. Times are in ms. */
export type FaultRow = { says: string; times: number; back: number[]; accepted: number[] };

export function faultRows({ faults }: Evidence, kinds: FaultKind[]): FaultRow[] {
  return kinds.map((kind) => {
    const some = faults.filter((fault) => fault.kind === kind);
    const after = (name: "back_at" | "accepted_at") =>
      some.flatMap(({ [name]: at, struck_at }) => (at === null ? [] : [at - struck_at]));
    return {
      says: kindOf(kind).says,
      times: some.length,
      back: after("back_at"),
      accepted: after("accepted_at"),
    };
  });
}
