import { type Command, Option } from "commander";
import type { Calls } from "../../src/client/client.ts";
import { CANCEL_REASONS } from "../../src/domain/reasons.ts";
import { formatTable } from "../table.ts";
import { confirm } from "./confirm.ts";
import { contextOf, withKey } from "./context.ts";
import { relative } from "./output.ts";

type Reservation = Calls["GET /v1/reservations/{id}"]["answer"];
type Given = Calls["POST /v1/reservations/{id}:cancel"]["body"] & { key?: string };

/** `hold get|cancel` */
export function addHold(program: Command): void {
  const hold = program.command("hold").description("a hold (a reservation of /v1)");

  hold
    .command("get")
    .description("look a hold up")
    .argument("<hold-id>")
    .action(async (id: string, _: object, command: Command) => {
      const context = contextOf(command);
      const body = await context.client.reservations.get(id);
      context.tell(body, () => wordsOf(body));
    });

  withKey(hold.command("cancel"))
    .description("give back what is held")
    .argument("<hold-id>")
    .addOption(new Option("--reason <reason>", "kept with the event").choices(CANCEL_REASONS))
    .action(async (id: string, given: Given, command: Command) => {
      const context = contextOf(command);
      const { reason, key: idempotencyKey } = given;
      await confirm(context, `${id} is taken from its customer, and its units are for sale again.`);
      const body = await context.client.reservations.cancel(id, { reason }, { idempotencyKey });
      context.tell(body, () => `${id} is ${body.status}\n`);
    });
}

function wordsOf(hold: Reservation): string {
  const { reservationId, status, customerId, orderId, paymentRef, endedAt } = hold;
  const facts = [
    `${reservationId} is ${status === "CREATED" ? "ACTIVE" : status}`,
    ...(customerId === undefined ? [] : [`of ${customerId}`]),
    `made ${relative(hold.createdAt)}`,
    endedAt === undefined ? `ends ${relative(hold.expiresAt)}` : `ended ${relative(endedAt)}`,
    ...(orderId === undefined ? [] : [`order ${orderId}`]),
    ...(paymentRef === undefined ? [] : [`paid by ${paymentRef}`]),
    ...(hold.late ? ["late"] : []),
  ];
  const rows = hold.lines.map(({ sku, qty }) => [sku, hold.storeId, qty]);
  return `${facts.join(", ")}\n${formatTable(["sku", "store", "units"], rows)}`;
}
