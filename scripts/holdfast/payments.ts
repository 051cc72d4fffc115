import { Argument, type Command } from "commander";
import type { Calls } from "../../src/client/client.ts";
import { RESOLUTIONS } from "../../src/domain/payment.ts";
import { formatTable } from "../table.ts";
import { contextOf, wholeOf, withKey } from "./context.ts";
import { relative } from "./output.ts";

type Rest = [given: { key?: string }, command: Command];
type Page = Calls["GET /v1/unfulfilled-payments"]["answer"];
type Resolution = Calls["POST /v1/unfulfilled-payments/{id}:resolve"]["body"]["resolution"];

/** `payments list|resolve` */
export function addPayments(program: Command): void {
  const payments = program
    .command("payments")
    .description("payments for which nothing could be given any more");

  payments
    .command("list")
    .description("those that nobody has seen to, newest first")
    .option("--all", "the others, too")
    .option("--limit <n>", "how many are shown (50)", wholeOf(1, 200))
    .action(async ({ all, limit }: { all?: boolean; limit?: number }, command: Command) => {
      const context = contextOf(command);
      const resolved = all ? undefined : "false";
      const body = await context.client.payments.unfulfilled({ resolved, limit });
      context.tell(body, () => tableOf(body));
    });

  withKey(payments.command("resolve"))
    .description("say what was done about one")
    .argument("<payment-id>")
    .addArgument(new Argument("<resolution>", "what it was").choices(RESOLUTIONS))
    .argument("<reference>", "your name of what was done: of the refund, or of the order")
    .action(
      async (id: string, resolution: Resolution, reference: string, ...[given, command]: Rest) => {
        const done = { resolution, reference };
        const { client, tell } = contextOf(command);
        const body = await client.payments.resolve(id, done, { idempotencyKey: given.key });
        tell(body, () => `${id} is ${body.resolution} (${reference})\n`);
      },
    );
}

function tableOf({ items, nextCursor }: Page): string {
  if (items.length === 0) return "There are none.\n";
  const names = ["payment id", "hold", "payment ref", "customer", "why", "came", "resolution"];
  const rows = items.map(({ occurredAt, customerId = null, ...of }) => [
    ...[of.paymentId, of.reservationId, of.paymentRef, customerId, of.why],
    ...[relative(occurredAt), of.resolution],
  ]);
  const more = nextCursor === null ? "" : "There are more.\n";
  const then = "npx holdfast payments resolve <payment id> refunded <your reference>\n";
  return `${formatTable(names, rows)}${more}When one is paid back: ${then}`;
}
