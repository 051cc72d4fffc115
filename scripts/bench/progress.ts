import type { WriteStream } from "node:tty";

const WIDTH = 80;

export type Progress = ReturnType<typeof createProgress>;

/** Tells what is being done: a line for each step, on a terminal always the same one. */
export function createProgress(out: Pick<WriteStream, "write" | "isTTY" | "columns">) {
  const started = performance.now();
  let prefix = "";

  function write(text: string) {
    const seconds = Math.round((performance.now() - started) / 1000);
    const line = `${String(seconds).padStart(4)} s  ${prefix}${text}`;
    // Some terminals don't know their width. A line that is wrapped could not be written over.
    const width = (out.columns || WIDTH) - 1;
    out.write(out.isTTY ? `\r\x1b[K${line.slice(0, width)}` : `${line}\n`);
  }

  return {
    /** What the following steps are part of. */
    of(name: string) {
      prefix = name === "" ? "" : `${name}: `;
    },
    step: write,
    /** How far a step is. Only for somebody who watches. */
    detail(text: string) {
      if (out.isTTY) write(text);
    },
    end() {
      if (out.isTTY) out.write("\r\x1b[K");
    },
  };
}
