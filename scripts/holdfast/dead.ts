import type { Command } from "commander";
import type { Calls } from "../../src/client/client.ts";
import { formatTable } from "../table.ts";
import { type Context, contextOf, wholeOf, withKey } from "./context.ts";
import { refused } from "./failure.ts";
import { counted, relative } from "./output.ts";

export type Letters = Calls["GET /v1/dlt"]["answer"];
type Letter = Letters["items"][number];
type Replayed = Calls["POST /v1/dlt/replay"]["answer"];

const PAGE = 200;
/** Pages that are looked through for one letter. */
const PAGES_MAX = 50;
const ERROR_CHARS = 60;

/** `dead list|show|replay` */
export function addDead(program: Command): void {
  const dead = program.command("dead").description("events that could not be recorded");

  dead
    .command("list")
    .description("dead letters, newest first")
    .option("--limit <n>", "how many are shown (50)", wholeOf(1, PAGE))
    .action(async ({ limit }: { limit?: number }, command: Command) => {
      const context = contextOf(command);
      const body = await context.client.operation.deadLetters({ limit });
      context.tell(body, () => tableOf(body));
    });

  dead
    .command("show")
    .description("one dead letter, with the event that it holds")
    .argument("<message-id>")
    .action(async (id: string, _: object, command: Command) => {
      const context = contextOf(command);
      const letter = await find(context, id);
      context.tell(letter, () => wordsOf(letter));
    });

  withKey(dead.command("replay"))
    .description("have the worker try dead letters again")
    .argument("[message-id...]", "which ones")
    .option("--all", "all there are")
    .action(
      async (ids: string[], { all, key }: { all?: boolean; key?: string }, command: Command) => {
        if (ids.length > 0 === Boolean(all))
          command.error("error: name dead letters, or say --all");
        const context = contextOf(command);
        const which = all ? {} : { messageIds: ids };
        const body = await context.client.operation.replay(which, { idempotencyKey: key });
        context.tell(body, () => sayReplayed(body));
        if (!all && body.requested === 0) {
          throw refused("NOT_FOUND", "none of these is a dead letter", "npx holdfast dead list");
        }
      },
    );
}

async function find({ client }: Context, id: string): Promise<Letter> {
  let cursor: string | undefined;
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const body = await client.operation.deadLetters({ limit: PAGE, cursor });
    const letter = body.items.find(({ messageId }) => messageId === id);
    if (letter) return letter;
    if (body.nextCursor === null) break;
    cursor = body.nextCursor;
  }
  const why = "It may have been recorded since; npx holdfast dead list has those that there are.";
  throw refused("NOT_FOUND", `there is no dead letter ${id}`, why);
}

function tableOf({ items, nextCursor }: Letters): string {
  if (items.length === 0) return "There are none: every event was recorded.\n";
  const rows = items.map(({ messageId, seq, entry, error, attempts, ...of }) => [
    ...[messageId, seq, entry.type ?? "", shortened(error), attempts, relative(of.failedAt)],
    of.replayRequestedAt === null ? "" : relative(of.replayRequestedAt),
  ]);
  const names = ["message id", "seq", "type", "error", "attempts", "failed", "replay asked for"];
  const more = nextCursor === null ? "" : "There are more.\n";
  return `${formatTable(names, rows)}${more}Once the reason is mended: npx holdfast dead replay --all\n`;
}

const shortened = (text: string) =>
  text.length > ERROR_CHARS ? `${text.slice(0, ERROR_CHARS)}…` : text;

function wordsOf({ messageId, error, attempts, failedAt, replayRequestedAt, entry }: Letter) {
  const asked =
    replayRequestedAt === null ? "" : `, replay asked for ${relative(replayRequestedAt)}`;
  const fields = Object.entries(entry).map(([name, value]) => `  ${name}: ${value}\n`);
  const tries = counted(attempts, "attempt");
  return `${messageId}: ${tries}, the last failed ${relative(failedAt)}${asked}\n  ${error}\n\n${fields.join("")}`;
}

function sayReplayed({ requested, unknown }: Replayed): string {
  const gone = unknown.length === 0 ? "" : `No dead letters: ${unknown.join(", ")}\n`;
  const then = requested === 0 ? "" : " npx holdfast dead list shows those that fail again.";
  return `${counted(requested, "dead letter")} will be tried again.${then}\n${gone}`;
}
