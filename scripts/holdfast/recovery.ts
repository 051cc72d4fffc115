import type { Command } from "commander";
import type { Calls } from "../../src/client/client.ts";
import { confirm } from "./confirm.ts";
import { type Context, contextOf, withKey } from "./context.ts";
import { counted, relative } from "./output.ts";

export type Recovery = Calls["GET /v1/recovery"]["answer"];

const HOLDS_SHOWN = 20;

const STATES: Record<string, string> = {
  OPEN: "Redis is open: things are sold.",
  CLOSED: "Redis is closed, and no worker is at it: nothing is sold. Is a worker running?",
  REDIS_AWAY: "Redis does not answer: nothing is sold.",
  WAITING_FOR_APPROVAL:
    "Redis has lost data and waits for your approval: nothing is sold until then.",
  DRAINING: "A worker records what is left in Redis: nothing is sold for the moment.",
  RESTORING: "A worker gives back what Redis has lost: nothing is sold for the moment.",
  CHECKING: "A worker checks Redis before it opens: nothing is sold for the moment.",
};
export const stateInWords = (state: string) => STATES[state] ?? state;

/** `recovery show|approve` */
export function addRecovery(program: Command): void {
  const recovery = program.command("recovery").description("what Redis has lost, and going on");

  recovery
    .command("show")
    .description("whether the store is open, and what it had lost when it last was not")
    .action(async (_: object, command: Command) => {
      const context = contextOf(command);
      const body = await read(context);
      context.tell(body, () => wordsOf(body));
    });

  withKey(recovery.command("approve"))
    .description("let a recovery go on that waits for it: what is lost is lost")
    .action(async ({ key }: { key?: string }, command: Command) => {
      const context = contextOf(command);
      if (!context.json && !context.yes) process.stderr.write(wordsOf(await read(context)));
      await confirm(context, "What is lost is lost, and Redis gets what Postgres knows.");
      const body = await context.client.operation.approveRecovery({ idempotencyKey: key });
      context.tell(
        body,
        () => `Approved (${body.finding}). npx holdfast status shows when it is open.\n`,
      );
    });
}

const read = ({ client }: Context) => client.operation.recovery();

function wordsOf({ state, since, report }: Recovery): string {
  const from = since === null ? "" : ` (for ${relative(since).replace(/ ago$/, "")})`;
  const head = `${state}${from}: ${stateInWords(state)}\n`;
  return head + (report ? reportInWords(report) : "Nothing was ever lost.\n");
}

function reportInWords(report: NonNullable<Recovery["report"]>): string {
  const { finding, lost, restored, checked, seconds } = report;
  const holds = lost.holds.slice(0, HOLDS_SHOWN).join(" ");
  const more = lost.holds.length > HOLDS_SHOWN ? " …" : "";
  const end =
    report.finishedAt === null ? "not finished" : `finished ${relative(report.finishedAt)}`;
  return [
    `${finding}, began ${relative(report.beganAt)}, ${end}`,
    `  Redis knew events up to ${report.redisSeq}, ${report.appliedSeq} are recorded, ${report.seenSeq} were seen`,
    `  lost: ${lost.exact ? "" : "at least "}${counted(lost.events, "event")}, ${counted(lost.units, "unit")} in ${counted(lost.holds.length, "known hold")}`,
    ...(holds === "" ? [] : [`    ${holds}${more}`]),
    ...(restored
      ? [
          `  given back: ${counted(restored.stocks, "stock")} (${counted(restored.units, "unit")}), ${counted(restored.activeHolds, "live hold")}`,
        ]
      : []),
    ...(checked && checked.differing > 0
      ? [
          `  ${counted(checked.differing, "stock")} with held units that no hold explains: npx holdfast audit`,
        ]
      : []),
    ...(seconds === null ? [] : [`  nothing was sold for ${seconds.toFixed(1)} s`]),
    "",
  ].join("\n");
}
