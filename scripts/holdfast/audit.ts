import type { Command } from "commander";
import type { Calls } from "../../src/client/client.ts";
import { formatTable } from "../table.ts";
import { contextOf, wholeOf } from "./context.ts";
import { EXITS } from "./failure.ts";
import { counted, relative } from "./output.ts";

export type Audit = Calls["GET /v1/audit"]["answer"];
type Drift = Audit["items"][number];

/** `audit`: ends with 1 when there is a drift that is an alarm. */
export function addAudit(program: Command): void {
  program
    .command("audit")
    .description("stocks on which Redis and Postgres disagree, and what to do about each")
    .argument("[sku]", "only this one")
    .option("--limit <n>", "how many are shown (20)", wholeOf(1, 50))
    .action(async (sku: string | undefined, { limit }: { limit?: number }, command: Command) => {
      const context = contextOf(command);
      const body = await context.client.operation.audit({ sku, limit });
      context.tell(body, () => wordsOf(body));
      if (body.items.some(({ alarm }) => alarm)) process.exitCode = EXITS.REFUSED;
    });
}

function wordsOf({ items, nextCursor, lookedAt, lastRound }: Audit): string {
  const round = lastRound
    ? `Last round: ${counted(lastRound.stocks, "stock")}, ended ${relative(lastRound.endedAt)}.`
    : `No round is done yet; last looked ${relative(lookedAt)}.`;
  if (items.length === 0) return `Redis and Postgres agree. ${round}\n`;
  const names = ["sku", "store", "kind", "redis has", "ledger has", "found", "alarm"];
  const rows = items.map((of) => [
    ...[of.sku, of.storeId, of.kind, sideOf(of.redis), sideOf(of.ledger)],
    ...[relative(of.foundAt), of.alarm ? "yes" : "no"],
  ]);
  const more = nextCursor === null ? "" : "There are more.\n";
  return `${formatTable(names, rows)}${more}\n${items.map(adviceOf).join("")}${round}\n`;
}

const sideOf = (side: Drift["redis"]) =>
  side ? `${side.available} + ${side.reserved} held` : "can't be read";

function adviceOf({ sku, storeId, advice, proposal }: Drift): string {
  return `${sku} in ${storeId}: ${advice}\n${proposal ? `  ${repairOf(proposal)}\n` : ""}`;
}

const repairOf = ({ sku, storeId, delta }: NonNullable<Drift["proposal"]>) =>
  `npx holdfast stock adjust ${sku} ${delta} --store ${storeId} --reason count`;
