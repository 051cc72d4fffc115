import { type CatalogueLine, createLineReader } from "./catalogue-line.ts";
import type { CsvFile } from "./csv-file.ts";
import { readCsv } from "./csv-records.ts";

export const CHUNK_LINES = 1_000;
/** More would take more memory than one seeding should: to know which stock was named before. */
const LINES_MAX = 1_000_000;

/** What a line of the file says, or why it is bad. `number` counts the lines below the header, from 1. */
export type FileLine = { number: number; line: number } & (
  | { said: CatalogueLine; problem?: never }
  | { problem: string }
);
/** Lines one behind the other, bad ones among them. `end` is the byte behind the last of them. */
export type Chunk = { lines: FileLine[]; last: number; end: number };

/**
 * The lines of a catalogue in chunks of at most `size`. One chunk ends at each of `stops`, numbers of lines.
 * What is said of each line depends on nothing but the file, so a second reading says the same.
 */
export async function* readChunks(
  file: CsvFile,
  { size, stops, default_store }: { size: number; stops: number[]; default_store: string },
): AsyncGenerator<Chunk> {
  const records = readCsv(file.handle);
  const header = await records.next();
  if (header.done) throw new Error(`${file.name} is empty: its first line must name the columns`);
  if (!("fields" in header.value)) throw new Error(`the header ${header.value.problem}`);
  const read = createLineReader(header.value.fields, default_store);

  const named = new Map<string, number>();
  let number = 0;
  let lines: FileLine[] = [];
  let end = header.value.end;
  for await (const record of records) {
    number += 1;
    if (number > LINES_MAX) throw new Error(`more than ${LINES_MAX} lines: split the file`);
    lines.push({ number, line: record.line, ...judge(record) });
    end = record.end;
    if (lines.length < size && !stops.includes(number)) continue;
    yield { lines, last: number, end };
    lines = [];
  }
  if (lines.length > 0) yield { lines, last: number, end };

  function judge(record: { line: number } & ({ fields: string[] } | { problem: string })) {
    if (!("fields" in record)) return { problem: record.problem };
    const said = read(record.fields);
    if (typeof said === "string") return { problem: said };
    const stock = `${said.sku}@${said.store_id}`;
    const before = named.get(stock);
    if (before !== undefined) {
      return { problem: `${said.sku} in ${said.store_id} is on line ${before} already` };
    }
    named.set(stock, record.line);
    return { said };
  }
}
