import { type Command, Option } from "commander";
import type { Calls } from "../../src/client/client.ts";
import { UNITS_MAX } from "../../src/domain/limits.ts";
import { ADJUSTMENT_REASONS } from "../../src/domain/reasons.ts";
import { formatTable } from "../table.ts";
import { confirm } from "./confirm.ts";
import { type Context, contextOf, wholeOf, withKey } from "./context.ts";
import { relative } from "./output.ts";

type Availability = Calls["GET /v1/items/{sku}/availability"]["answer"];
type Changed =
  | Calls["POST /v1/adjustments"]["answer"]
  | Calls["POST /v1/items:set-absolute"]["answer"];
type Where = { store?: string; ifVersion?: number; key?: string; reference?: string };

/** `stock get|set|adjust` */
export function addStock(program: Command): void {
  const stock = program.command("stock").description("what there is of a sku, and changing it");

  stock
    .command("get")
    .description("what every store has of a sku, now")
    .argument("<sku>")
    .option("--store <id>", "only this store")
    .action(async (sku: string, { store }: Where, command: Command) => {
      const context = contextOf(command);
      const body = await context.client.stock.availabilityOf(sku, { storeId: store });
      context.tell(body, () => tableOf(body));
    });

  withWhere(stock.command("set"))
    .description("set a stock to what was counted: held units stay held")
    .argument("<sku>")
    .argument("<on-hand>", "units that are there, held ones among them", wholeOf(0, UNITS_MAX))
    .action(async (sku: string, onHand: number, where: Where, command: Command) => {
      const context = contextOf(command);
      await confirm(context, `${sku} is set to ${onHand} on hand${inStore(where)}.`);
      const body = { sku, storeId: where.store, onHand, countRef: where.reference };
      await change(context, "/v1/items:set-absolute", body, where);
    });

  withWhere(stock.command("adjust"))
    .description("add units to a stock, or take some away (-3)")
    .argument("<sku>")
    .argument("<units>", "how many; negative takes away", wholeOf(-UNITS_MAX, UNITS_MAX))
    .addOption(new Option("--reason <reason>", "why").choices(ADJUSTMENT_REASONS).default("manual"))
    .option("--notes <text>", "kept with the movement")
    .action(async (sku: string, delta: number, where: Where & Said, command: Command) => {
      const context = contextOf(command);
      const sign = delta > 0 ? "+" : "";
      await confirm(context, `${sku} gets ${sign}${delta} units${inStore(where)}.`);
      const { reason, notes, reference } = where;
      const body = { sku, storeId: where.store, delta, reason, notes, reference };
      await change(context, "/v1/adjustments", body, where);
    });
}

type Said = { reason: string; notes?: string };

const withWhere = (command: Command) =>
  withKey(command)
    .option("--store <id>", "in this store; else in the default one")
    .option("--reference <text>", "your name of the count or delivery")
    .option("--if-version <n>", "only if this is still its version", wholeOf(0, UNITS_MAX));

const inStore = ({ store }: Where) => (store === undefined ? "" : ` in ${store}`);

async function change(context: Context, path: string, body: object, where: Where): Promise<void> {
  const { ifVersion, key } = where;
  const answer = await context.client.request<Changed>("POST", path, {
    body,
    ifVersion,
    idempotencyKey: key,
  });
  const { sku, storeId, ...now } = answer.body;
  const shortfall = "shortfall" in now ? now.shortfall : 0;
  context.tell({ ...answer.body, replayed: answer.replayed }, () =>
    [
      answer.replayed ? "That was done before: nothing changed now.\n" : "",
      `${sku} in ${storeId}: ${levelsOf(answer.body)}\n`,
      shortfall > 0 ? `${shortfall} more are held than were counted: they can't be given.\n` : "",
    ].join(""),
  );
}

const levelsOf = ({ onHand, reserved, available, version }: Changed) =>
  `${onHand} on hand, ${reserved} held, ${available} available (version ${version})`;

function tableOf({ perStore }: Availability): string {
  const names = ["store", "available", "held", "on hand", "level", "version", "changed"];
  const rows = perStore.map(({ storeId, available, reserved, onHand, level, ...of }) => [
    ...[storeId, available, reserved, onHand, level, of.version],
    relative(of.lastEventAt),
  ]);
  return formatTable(names, rows);
}
