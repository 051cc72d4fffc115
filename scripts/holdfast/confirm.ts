import { createInterface } from "node:readline/promises";
import type { Context } from "./context.ts";
import { refused } from "./failure.ts";

/**
 * Asks whoever sits before a terminal whether to go on. A script is not asked: it has said what it wants.
 * @throws CommandFailure when the answer is not yes
 */
export async function confirm({ yes, json }: Context, what: string): Promise<void> {
  if (yes || json || !process.stdin.isTTY || !process.stderr.isTTY) return;
  const asking = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await asking.question(`${what} Go on? [y/N] `);
    if (/^y(es)?$/i.test(answer.trim())) return;
  } finally {
    asking.close();
  }
  throw refused("NOT_CONFIRMED", "nothing was done");
}
