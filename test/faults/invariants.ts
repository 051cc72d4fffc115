import { expect } from "@jest/globals";
import { drawAccount } from "../../scripts/drill/account.ts";
import { untilAudited, untilDrained } from "../../scripts/drill/drain.ts";
import type { Fault } from "../../scripts/drill/faults.ts";
import { readBooks } from "../../scripts/drill/read-books.ts";
import { compareBooks } from "../worker/books.ts";
import type { WholeHouse } from "./whole-house.ts";

/**
 * Ends the sale and lays all that its shoppers were told beside what both stores say, by the drill's rules:
 * available and held at least 0; what was stocked is there, held or sold; each acknowledged hold is there, or
 * has ended, once; one effect for each key; Postgres equal to Redis, seq without gaps; an order for each
 * confirmed hold; no request hung. Then compares both stores row by row.
 * @param losses what took Redis its data, with what the system has told of it
 */
export async function expectInvariants(
  { crowd, journal, stores, offer, admin }: WholeHouse,
  losses: Fault[] = [],
): Promise<void> {
  await crowd.leave();
  const late: string[] = [];
  await untilDrained(stores, { step: (text) => late.push(text) });
  const books = await readBooks(stores, offer, await untilAudited(stores));
  const sale = crowd.sale();
  const { findings } = drawAccount({ journal: journal.entries, books, faults: losses, sale });
  const broken = findings
    .filter(({ verdict }) => verdict === "BROKEN")
    .map(({ says, figure, wrong }) => ({ says, figure, wrong: wrong.slice(0, 5) }));
  expect({ late, broken }).toEqual({ late: [], broken: [] });
  expect(await compareBooks(admin, stores.database_url)).toEqual([]);
  // An account of nothing would be kept, too.
  const kept = findings.filter(({ verdict }) => verdict === "kept").length;
  expect(kept).toBeGreaterThanOrEqual(15);
}
