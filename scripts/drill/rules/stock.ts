import type { Book, BookHold } from "../books.ts";
import { count, type Evidence, type Finding, isReported } from "../evidence.ts";
import type { ToldHold } from "../told.ts";

/** Units: that none was sold twice, and each is where it should be. */
export function stockFindings(evidence: Evidence): Finding[] {
  return [heldBeyondStock(evidence), soldBeyondStock(evidence), returnedOnce(evidence)];
}

// The events tell what was out at each moment. The two stores' last word is compared as well.
function heldBeyondStock({ books }: Evidence): Finding {
  const wrong = new Map<string, number>();
  const out = new Map<string, number>();
  const compare = (sku: string, units: number, stocked: number) => {
    if (units > stocked) wrong.set(sku, Math.max(wrong.get(sku) ?? 0, units - stocked));
  };
  for (const { sku, available_delta } of books.postgres.takings) {
    const units = (out.get(sku) ?? 0) - available_delta;
    out.set(sku, units);
    compare(sku, units, books.stocked.get(sku) ?? 0);
  }
  for (const [sku, stocked] of books.stocked) {
    for (const book of [books.redis, books.postgres]) {
      const { available = 0, held = 0 } = book.stocks.get(sku) ?? {};
      compare(sku, heldOrSold(book, sku) - restocked(books, sku), stocked);
      compare(sku, -Math.min(available, held), 0);
    }
  }
  const sentences = [...wrong].map(([sku, units]) => `${units} of ${sku} more than there were`);
  return count("G1", "units held or sold beyond the stock, at any moment", sentences, {
    ...of(books.stocked),
    units: sum(wrong.values()),
  });
}

// By each store, and by what shoppers were told of their payments, wherever these are now.
function soldBeyondStock(evidence: Evidence): Finding {
  const { books, told } = evidence;
  const wrong: string[] = [];
  let beyond = 0;
  for (const [sku, stocked] of books.stocked) {
    const paid = [...told.holds.values()].filter((hold) => hold.sku === sku && isPaid(hold));
    const books_say = [books.redis, books.postgres].map((book) => soldIn(book, sku));
    const all = Math.max(...books_say, unitsOfAll(evidence, sku, paid)) - restocked(books, sku);
    if (all <= stocked) continue;
    beyond += all - stocked;
    wrong.push(`${all} of ${sku} were sold, and there were ${stocked}`);
  }
  return count("G13", "units sold beyond the stock, whatever had failed", wrong, {
    ...of(books.stocked),
    units: beyond,
  });
}

// A sale that a shopper was told of and no store has counts as sold, unless the system says that it is lost.
function unitsOfAll(evidence: Evidence, sku: string, paid: ToldHold[]): number {
  const { holds } = evidence.books.postgres;
  const unknown = paid.filter(({ hold_id }) => holds.get(hold_id)?.status !== "CONFIRMED");
  const lost = isReported(evidence, unknown.length) ? [] : unknown;
  return soldIn(evidence.books.postgres, sku) + sum(lost.map(({ units }) => units));
}

// Of each stock: what is there, what is held and what was sold is what there was.
function returnedOnce({ books }: Evidence): Finding {
  const wrong = [...books.stocked].flatMap(([sku, stocked]) =>
    [unbalancedIn("Redis", books.redis, sku, stocked + restocked(books, sku))]
      .concat(unbalancedIn("Postgres", books.postgres, sku, stocked + restocked(books, sku)))
      .filter((sentence) => sentence !== "")
      .slice(0, 1),
  );
  const of = { number: books.stocked.size, what: "stocks" };
  return count("G6", "stocks with units that came back twice, or never", wrong, of);
}

function unbalancedIn(where: string, book: Book, sku: string, stocked: number): string {
  const { available, held } = book.stocks.get(sku) ?? { available: 0, held: 0 };
  const sold = soldIn(book, sku);
  if (available + held + sold === stocked) return "";
  return `in ${where} ${available} of ${sku} are available, ${held} held, ${sold} sold, of ${stocked}`;
}

/** Units that were sold, came back, and may be sold again. */
const restocked = ({ postgres }: Evidence["books"], sku: string) =>
  sum(
    postgres.returns.map((back) =>
      back.sku === sku && back.restock && back.done ? back.units : 0,
    ),
  );

const isPaid = ({ endings }: ToldHold) => endings.has("CONFIRMED");
const soldIn = (book: Book, sku: string) => unitsIn(book, sku, ["CONFIRMED"]);
const heldOrSold = (book: Book, sku: string) => unitsIn(book, sku, ["ACTIVE", "CONFIRMED"]);

function unitsIn({ holds }: Book, sku: string, statuses: BookHold["status"][]): number {
  let units = 0;
  for (const { status, lines } of holds.values()) {
    if (!statuses.includes(status)) continue;
    for (const line of lines) if (line.sku === sku) units += line.quantity;
  }
  return units;
}

const of = (stocked: Map<string, number>) => ({ number: sum(stocked.values()), what: "units" });

function sum(numbers: Iterable<number>): number {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
}
