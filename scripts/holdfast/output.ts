import { styleText } from "node:util";
import type { Failure } from "./failure.ts";

type Colour = "red" | "green" | "yellow" | "bold" | "dim";

/** Coloured on a terminal alone, and not with NO_COLOR. */
export const paint = (colour: Colour, text: string) =>
  styleText(colour, text, { stream: process.stdout });

/** The one answer of a command: a JSON document, or words. */
export function tell(as_json: boolean, document: unknown, words: () => string): void {
  process.stdout.write(as_json ? `${JSON.stringify(document, null, 2)}\n` : words());
}

/** Words go to stderr; with --json stdout has a document all the same. */
export function tellFailure(as_json: boolean, { code, message, advice, members }: Failure): void {
  if (as_json) {
    const error = { code, message, advice, ...members };
    process.stdout.write(`${JSON.stringify({ error }, null, 2)}\n`);
  }
  process.stderr.write(`holdfast: ${message}\n${advice === undefined ? "" : `  ${advice}\n`}`);
}

/** Whoever reads us may stop at any line: `| head -1` is no failure. */
export function endWithReader(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EPIPE") process.exit();
      throw error;
    });
  }
}

const UNITS: [string, number][] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1_000],
];

/** As in `4 min`: one unit is as much as one wants to read. */
export function span(ms: number): string {
  const [unit, size] = UNITS.find(([, size]) => ms >= 2 * size) ?? ["s", 1_000];
  return ms < 1_000 ? `${(ms / 1_000).toFixed(1)} s` : `${Math.round(ms / size)} ${unit}`;
}

/** As in `4 min ago` or `in 4 min`. */
export function relative(time: string | null | undefined, now = Date.now()): string {
  if (!time) return "never";
  const ms = now - Date.parse(time);
  if (Math.abs(ms) < 1_000) return "just now";
  return ms > 0 ? `${span(ms)} ago` : `in ${span(-ms)}`;
}

export const grouped = (count: number) => count.toLocaleString("en-US");

/** As in `1 event`, `2 events`. */
export const counted = (count: number, noun: string) =>
  `${grouped(count)} ${noun}${count === 1 ? "" : "s"}`;
