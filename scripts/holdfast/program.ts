import { Command } from "commander";
import { addAudit } from "./audit.ts";
import { addCommonOptions } from "./context.ts";
import { addDead } from "./dead.ts";
import { addHold } from "./hold.ts";
import { addMigrate } from "./migrate.ts";
import { addPayments } from "./payments.ts";
import { addRecovery } from "./recovery.ts";
import { addSale } from "./sale.ts";
import { addPassed } from "./stack.ts";
import { addStatus } from "./status.ts";
import { addStock } from "./stock.ts";
import { addTail } from "./tail.ts";

const MORE = `
Exit codes: 0 done; 1 refused, or something is wrong (status, audit); 2 wrong usage;
            3 nobody answered, or it is not known whether it was done.

First of all: npx holdfast status`;

/** What a person who runs Holdfast does by hand. It asks the API where there is a call for it. */
export function createProgram(): Command {
  const program = new Command("holdfast")
    .description("Operate Holdfast: inventory reservations for flash sales.")
    .usage("<command> [options]")
    .addHelpText("after", MORE)
    .showHelpAfterError("(--help says more)")
    .exitOverride();
  addStatus(program);
  addStock(program);
  addHold(program);
  addAudit(program);
  addDead(program);
  addRecovery(program);
  addPayments(program);
  addSale(program);
  addTail(program);
  addMigrate(program);
  addPassed(program);
  addCommonOptions(program);
  return program;
}
