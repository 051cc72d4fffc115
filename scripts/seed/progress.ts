import type { WriteStream } from "node:tty";

const WIDTH = 80;
const BAR_CHARS = 24;
const DRAW_EVERY_MS = 100;
const LINE_EVERY_MS = 5_000;

export type SeedProgress = ReturnType<typeof createSeedProgress>;
/** How far a file is: its lines up to here, and the byte behind them. */
type Place = { lines: number; byte: number };

/**
 * Shows how far a file is, how fast it goes and how long it will take: as a bar on a terminal, elsewhere as a
 * line every five seconds.
 */
export function createSeedProgress(
  out: Pick<WriteStream, "write" | "isTTY" | "columns">,
  bytes_total: number,
  now: () => number = () => performance.now(),
) {
  let start: (Place & { at: number }) | undefined;
  let next_at = 0;

  /** Where it begins: what is before is not its work. */
  function begin(place: Place) {
    start = { ...place, at: now() };
    next_at = start.at + (out.isTTY ? 0 : LINE_EVERY_MS);
  }

  function show(place: Place) {
    if (!start) return begin(place);
    if (now() < next_at) return;
    next_at = now() + (out.isTTY ? DRAW_EVERY_MS : LINE_EVERY_MS);
    const seconds = (now() - start.at) / 1_000;
    const lines_per_s = (place.lines - start.lines) / seconds;
    const seconds_left = ((bytes_total - place.byte) * seconds) / (place.byte - start.byte);
    const share = bytes_total === 0 ? 1 : place.byte / bytes_total;
    const parts = [
      `${grouped(place.lines)} lines`,
      ...(place.byte > start.byte && seconds > 0
        ? [`${grouped(Math.round(lines_per_s))} lines/s`, `${Math.ceil(seconds_left)} s left`]
        : []),
    ];
    write(share, parts.join(", "));
  }

  function write(share: number, text: string) {
    const percent = `${String(Math.floor(share * 100)).padStart(3)} %`;
    if (!out.isTTY) {
      out.write(`${percent}  ${text}\n`);
      return;
    }
    const filled = Math.round(share * BAR_CHARS);
    const bar = "#".repeat(filled).padEnd(BAR_CHARS, ".");
    // Some terminals don't know their width. A line that is wrapped could not be written over.
    const width = (out.columns || WIDTH) - 1;
    out.write(`\r\x1b[K${`[${bar}] ${percent}  ${text}`.slice(0, width)}`);
  }

  /** Makes room for other words. */
  function end() {
    if (out.isTTY) out.write("\r\x1b[K");
  }

  return { begin, show, end };
}

/** A count for people: 100,000. */
export const grouped = (count: number) => count.toLocaleString("en");
