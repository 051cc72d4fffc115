import type { Command } from "commander";
import { formatTable } from "../table.ts";
import { type Drift, type OpenAudit, readAudit } from "./audit-pages.ts";
import { contextOf, wholeOf, withKey } from "./context.ts";
import { EXITS } from "./failure.ts";
import { counted, relative } from "./output.ts";

/** How many are shown unless somebody says. */
const SHOWN = 20;

type StockDrift = Extract<Drift, { ledger: unknown }>;

/** `audit` ends with 1 when there is a drift that is an alarm; `audit recount` mends one of its kinds. */
export function addAudit(program: Command): void {
  const audit = program
    .command("audit")
    .description("what Redis and Postgres disagree on, and what to do about each")
    .argument("[sku]", "only this one")
    .option("--limit <n>", `how many are shown (${SHOWN}), alarms first`, wholeOf(1, 50))
    .action(async (sku: string | undefined, { limit }: { limit?: number }, command: Command) => {
      const context = contextOf(command);
      const body = await readAudit(context.client, { sku, shown: limit ?? SHOWN }, context);
      context.tell(body, () => wordsOf(body));
      if (body.open.alarms > 0 || !body.open.whole) process.exitCode = EXITS.REFUSED;
    });

  withKey(audit.command("recount"))
    .description("puts right what Redis counts for the customers of a sku, where audit tells of it")
    .argument("<sku>")
    .argument("[customer]", "only this one")
    .action(async (sku: string, customerId, { key }: { key?: string }, command: Command) => {
      const { client, tell } = contextOf(command);
      const wish = customerId === undefined ? { sku } : { sku, customerId };
      const body = await client.operation.recount(wish, { idempotencyKey: key });
      tell(body, () => `${counted(body.customers, "customer")} of ${sku} will be counted anew.\n`);
    });
}

function wordsOf({ items, open, lookedAt, lastRound }: OpenAudit): string {
  const round = lastRound
    ? `Last round: ${counted(lastRound.stocks, "stock")}, ended ${relative(lastRound.endedAt)}.`
    : `No round is done yet; last looked ${relative(lookedAt)}.`;
  if (items.length === 0) return `Redis and Postgres agree. ${round}\n`;
  const names = ["sku", "store", "kind", "redis has", "ledger has", "found", "alarm"];
  const rows = items.map((of) => [
    ...[of.sku, of.storeId ?? "", of.kind, ...sidesOf(of)],
    ...[relative(of.foundAt), of.alarm ? "yes" : "no"],
  ]);
  const more = open.alarms + open.warnings > items.length || !open.whole ? moreOf(open) : "";
  return `${formatTable(names, rows)}${more}\n${items.map(adviceOf).join("")}${round}\n`;
}

const moreOf = ({ alarms, warnings, whole }: OpenAudit["open"]) =>
  whole
    ? `Of ${counted(alarms, "alarm")} and ${counted(warnings, "warning")} these are shown.\n`
    : `There are more than could be looked through: at least ${counted(alarms, "alarm")}.\n`;

const isOfStock = (drift: Drift): drift is StockDrift => "ledger" in drift;

/** What Redis has, and what the ledger has. */
const sidesOf = (of: Drift) =>
  isOfStock(of)
    ? [levelOf(of.redis), levelOf(of.ledger)]
    : [of.redisSays ?? "nothing", of.ledgerSays ?? "nothing"];

const levelOf = (side: StockDrift["redis"]) =>
  side ? `${side.available} + ${side.reserved} held` : "can't be read";

function adviceOf(drift: Drift): string {
  const repair = repairOf(drift);
  return `${placeOf(drift)}: ${drift.advice}\n${repair ? `  npx holdfast ${repair}\n` : ""}`;
}

/** What a drift is about. */
export const placeOf = (drift: Drift) =>
  [
    drift.sku,
    ...(drift.storeId ? [`in ${drift.storeId}`] : []),
    ...(isOfStock(drift) || !drift.customerId ? [] : [`of ${drift.customerId}`]),
  ].join(" ");

function repairOf(drift: Drift): string | null {
  if (isOfStock(drift)) {
    const { proposal } = drift;
    return (
      proposal &&
      `stock adjust ${proposal.sku} ${proposal.delta} --store ${proposal.storeId} --reason count`
    );
  }
  return drift.recount && `audit recount ${drift.recount.sku} ${quoted(drift.recount.customerId)}`;
}

/** As a shell takes it: a customer's name is anything. */
const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
