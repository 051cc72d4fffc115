import type { Command } from "commander";
import { contextOf } from "./context.ts";
import { EXITS } from "./failure.ts";
import { askAll } from "./status/ask.ts";
import { isWrong } from "./status/finding.ts";
import { judge } from "./status/judge.ts";
import { formatStatus } from "./status/page.ts";

/** `status`: ends with 1 when something is wrong. */
export function addStatus(program: Command): void {
  program
    .command("status")
    .description("how everything is, what is wrong, and what to do about it")
    .option("--worker-url <url>", "the worker's port (HOLDFAST_WORKER_URL)")
    .action(async (_: object, command: Command) => {
      const context = contextOf(command);
      const facts = await askAll(context);
      const findings = judge(facts);
      const is_well = !findings.some(isWrong);
      // The pages of metrics are long, and what counts in them is among the findings.
      const { api_metrics, worker_metrics, ...parts } = facts;
      context.tell({ is_well, findings, parts }, () => formatStatus(facts, findings));
      if (!is_well) process.exitCode = EXITS.REFUSED;
    });
}
