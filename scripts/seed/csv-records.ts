import type { FileHandle } from "node:fs/promises";
import { CsvError, type Parser, parse } from "csv-parse";
import { nextLine, readPieces } from "./csv-file.ts";

/** A record, or a line that is none, with the line it begins on and the byte behind it. */
export type CsvRecord = { line: number; end: number } & (
  | { fields: string[] }
  | { problem: string }
);
type Place = { byte: number; line: number };
type Parsed = { fields: string[]; lines: number; end: number };

/** More than anything that would be accepted. A quote that is never closed must not swallow the file. */
const RECORD_BYTES_MAX = 16 * 1024;
/** Each costs another beginning. A file with so many is something else than CSV. */
const MALFORMED_MAX = 1_000;

/**
 * The records of a CSV file in order, blank lines left out. By the rules of CSV a line whose quotes are wrong
 * takes everything up to the next quote with it. Here only that line is bad, and reading goes on behind it.
 */
export async function* readCsv(handle: FileHandle): AsyncGenerator<CsvRecord> {
  let place: Place = { byte: 0, line: 1 };
  let columns: number | undefined;
  let malformed = 0;
  for (;;) {
    const broken = yield* readWellFormed(place);
    if (broken === undefined) return;
    malformed += 1;
    if (malformed > MALFORMED_MAX) {
      throw new Error(`quotes are wrong on more than ${MALFORMED_MAX} lines: is it CSV?`);
    }
    place = { byte: await nextLine(handle, broken.byte), line: broken.line + 1 };
    yield { line: broken.line, end: place.byte, problem: broken.problem };
  }

  // Returns what stopped it, if anything did but the end.
  async function* readWellFormed(from: Place) {
    let { byte, line } = from;
    let lines_before = 0;
    const pieces = readPieces(handle, from.byte);
    for await (const { records, problem } of parsePieces(pieces, createParser(from.byte))) {
      for (const { fields, lines, end } of records) {
        columns ??= fields.length;
        // The parser counts the line breaks within quotes too, some of them twice.
        const breaks = lines === lines_before + 1 ? 0 : breaksIn(fields);
        lines_before = lines;
        if (breaks > 0 && fields.length !== columns) {
          return { byte, line, problem: "has a quote that is not closed" };
        }
        byte = from.byte + end;
        if (breaks > 0) {
          const last = line + breaks;
          yield { line, end: byte, problem: `goes on to line ${last}: no text may do that` };
        } else if (fields.length > 1 || fields[0] !== "") yield { line, end: byte, fields };
        line += breaks + 1;
      }
      if (problem !== undefined) return { byte, line, problem };
    }
    return undefined;
  }
}

type CollectingParser = { parser: Parser; take: () => Parsed[] };

function createParser(from_byte: number): CollectingParser {
  let parsed: Parsed[] = [];
  const parser = parse({
    bom: from_byte === 0,
    trim: true,
    record_delimiter: ["\r\n", "\n"],
    relax_column_count: true, // the caller tells which line has too few or too many
    max_record_size: RECORD_BYTES_MAX,
    // Not read from the stream, which drops the records it holds when a later one is malformed.
    on_record: (fields: string[], { lines, bytes }) => {
      parsed.push({ fields, lines, end: bytes });
      return null;
    },
  });
  parser.resume();
  parser.on("error", () => {}); // told to whoever writes
  function take() {
    const taken = parsed;
    parsed = [];
    return taken;
  }
  return { parser, take };
}

/** What each piece of the source brings: records, and at last a problem when they end with one. */
async function* parsePieces(
  source: AsyncIterable<Buffer>,
  { parser, take }: CollectingParser,
): AsyncGenerator<{ records: Parsed[]; problem?: string }> {
  try {
    for await (const piece of source) {
      await settled((done) => parser.write(piece, done));
      yield { records: take() };
    }
    await settled((done) => parser.end(done));
    yield { records: take() };
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    yield { records: take(), problem: wordsOf(error) };
  }
}

const settled = (work: (done: (error?: Error | null) => void) => void) =>
  new Promise<void>((resolve, reject) => {
    work((error) => (error ? reject(error) : resolve()));
  });

const wordsOf = ({ code }: CsvError) =>
  code === "CSV_MAX_RECORD_SIZE"
    ? `is longer than ${RECORD_BYTES_MAX} bytes, or has a quote that is not closed`
    : "has a quote in a wrong place, or one that is not closed";

const breaksIn = (fields: string[]) =>
  fields.reduce((sum, field) => sum + field.split("\n").length - 1, 0);
