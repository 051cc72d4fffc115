import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import { type Calls, HoldfastProblem, HoldfastUnanswered } from "../../src/client/client.ts";
import { type Context, contextOf } from "./context.ts";
import { paint } from "./output.ts";

type Event = Calls["GET /v1/events"]["answer"][number];
type Given = { since?: string; sku?: string; store?: string };

const PAGE = 500;
const POLL_MS = 500;
const WAIT_MS_MAX = 30_000;
/** What the API says while something is away that comes back. */
const PASSING = ["STORE_UNAVAILABLE", "OVERLOADED", "RECOVERING", "RATE_LIMITED"];

/** `tail`: what happens, as it is recorded, until Ctrl-C. */
export function addTail(program: Command): void {
  program
    .command("tail")
    .description("what happens, as it is recorded, until Ctrl-C; --json: a line for each event")
    .option("--since <when>", "begin behind this event id, or at this RFC 3339 time (now)")
    .option("--sku <sku>", "only what names this sku")
    .option("--store <id>", "only what names this store")
    .action(async (given: Given, command: Command) => {
      const stop = new AbortController();
      for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => stop.abort());
      try {
        await follow(contextOf(command), given, stop.signal);
      } catch (error) {
        if (!stop.signal.aborted) throw error;
      }
    });
}

// One page at a time, and the next one once its lines are written: so it never holds more than a page.
async function follow(context: Context, given: Given, signal: AbortSignal): Promise<void> {
  let since = given.since ?? new Date().toISOString();
  let away: string | null = null;
  for (;;) {
    const answer = await page(context, { ...given, since }, signal).then(
      (events) => ({ events, why: null, wait_ms: 0 }),
      (error: unknown) => ({ events: [], ...waitFor(error) }),
    );
    const { events, why, wait_ms } = answer;
    if (why !== null && why !== away) note(`${why}; waiting for it`);
    if (why === null && away !== null) note("the API is back");
    away = why;
    for (const event of events) {
      await write(context.json ? `${JSON.stringify(event)}\n` : lineOf(event));
      since = event.eventId;
    }
    if (events.length < PAGE) await sleep(Math.max(POLL_MS, wait_ms), undefined, { signal });
  }
}

/** @throws what does not go by itself */
function waitFor(error: unknown): { why: string; wait_ms: number } {
  if (error instanceof HoldfastUnanswered) return { why: "the API does not answer", wait_ms: 0 };
  if (!(error instanceof HoldfastProblem && PASSING.includes(error.code))) throw error;
  const wait_ms = Math.min((error.retryAfter ?? 0) * 1_000, WAIT_MS_MAX);
  return { why: `the API says ${error.code}`, wait_ms };
}

const page = ({ client }: Context, { since, sku, store }: Given, signal: AbortSignal) =>
  client.events({ since, sku, storeId: store, limit: PAGE }, { signal });

const note = (text: string) => process.stderr.write(`holdfast: ${text}\n`);

/** Waits for a slow reader instead of keeping for it what comes meanwhile. */
async function write(text: string): Promise<void> {
  await new Promise<void>((resolve) => process.stdout.write(text, () => resolve()));
}

function lineOf({ eventType, occurredAt, aggregate, payload }: Event): string {
  const time = occurredAt.slice(11, 23);
  return `${paint("dim", time)} ${eventType.padEnd(19)} ${aggregate.id}  ${factsOf(payload)}\n`;
}

function factsOf(payload: Record<string, unknown>): string {
  const lines = Array.isArray(payload.lines) ? payload.lines.map(lineWords).join(", ") : "";
  const rules = payload.rules ? JSON.stringify(payload.rules) : "";
  const words = [payload.user_id, payload.reason, payload.why].filter(
    (word) => typeof word === "string" && word !== "",
  );
  return [lines, rules, ...words].filter(Boolean).join("  ");
}

// The payload is what an event stores, in all its kinds: what is not there is left out.
function lineWords(line: unknown): string {
  if (typeof line !== "object" || line === null || !("sku" in line)) return "";
  const units = "quantity" in line ? ` × ${line.quantity}` : "";
  const delta = "available_delta" in line ? ` ${signed(Number(line.available_delta))}` : "";
  const left = "available" in line ? ` (${line.available} available)` : "";
  return `${line.sku}${units || delta}${left}`;
}

const signed = (units: number) => (units > 0 ? `+${units}` : `${units}`);
