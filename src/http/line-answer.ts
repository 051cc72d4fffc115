import type { Response } from "express";
import { countAnswer } from "./answer.ts";

const STATUS = 202;
/** A caller that neither takes nor sends anything for so long is cut off, */
const SILENCE_MS_MAX = 10_000;
/** and one that is not done by then, however busy it is. */
const ANSWER_MS_MAX = 60_000;

/**
 * An answer of a line of JSON for each line of the request, in their order, sent as they become known.
 * @param line_ms_max how long a single result may take
 */
export function openLineAnswer(res: Response, line_ms_max: number) {
  const texts: (string | undefined)[] = [];
  const puts: Promise<void>[] = [];
  let written = 0;
  let flush_planned = false;
  const cut = setTimeout(() => res.destroy(), ANSWER_MS_MAX);
  res.once("close", () => clearTimeout(cut));
  res.setTimeout(SILENCE_MS_MAX + line_ms_max); // nobody listens for it, so Node destroys the connection

  /** @param result of the line behind the last one; never rejects */
  function add(result: Promise<object>): void {
    const i = texts.push(undefined) - 1;
    puts.push(
      result.then((value) => {
        texts[i] = `${JSON.stringify(value)}\n`;
        planFlush();
      }),
    );
  }

  // Redis answers many lines at once: they leave together.
  function planFlush() {
    if (flush_planned) return;
    flush_planned = true;
    setImmediate(flush);
  }

  function flush() {
    flush_planned = false;
    let text = "";
    for (let next = texts[written]; next !== undefined; next = texts[written]) {
      text += next;
      texts[written] = "";
      written += 1;
    }
    if (text === "" || res.destroyed) return;
    if (!res.headersSent) {
      res.statusCode = STATUS;
      res.setHeader("Content-Type", "application/x-ndjson");
    }
    res.write(text);
  }

  /** Resolves when the caller has taken what was sent, or has gone. */
  async function drained(): Promise<void> {
    if (!res.writableNeedDrain || res.destroyed) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    res.once("drain", resolve).once("close", resolve);
    await promise;
    res.off("drain", resolve).off("close", resolve);
  }

  /** Ends it behind the last result. */
  async function end(): Promise<void> {
    await Promise.all(puts);
    flush();
    if (res.destroyed) return;
    res.end();
    countAnswer(res, STATUS);
  }

  return { add, drained, end };
}
