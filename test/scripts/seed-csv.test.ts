import { open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { openCsvFile } from "../../scripts/seed/csv-file.ts";
import { type CsvRecord, readCsv } from "../../scripts/seed/csv-records.ts";
import { readChunks } from "../../scripts/seed/file-lines.ts";
import { freshDir } from "../setup/stack.ts";

let place: Awaited<ReturnType<typeof freshDir>>;
beforeAll(async () => {
  place = await freshDir();
});
afterAll(() => place.close());

async function withFile<T>(text: string, use: (path: string) => Promise<T>): Promise<T> {
  const path = join(place.dir, "test.csv");
  await writeFile(path, text);
  return use(path);
}

const read = (text: string): Promise<CsvRecord[]> =>
  withFile(text, async (path) => {
    const handle = await open(path, "r");
    try {
      return await Array.fromAsync(readCsv(handle));
    } finally {
      await handle.close();
    }
  });

/** Line numbers, and fields or the problem. */
const shown = async (text: string) =>
  (await read(text)).map((record) => [
    record.line,
    "fields" in record ? record.fields : record.problem,
  ]);

const WRONG_QUOTE = "has a quote in a wrong place, or one that is not closed";

describe("records", () => {
  test("have the number of their line, blank lines counted", async () => {
    expect(await shown("a,b\n\n1,2\r\n\r\n\n3,4")).toEqual([
      [1, ["a", "b"]],
      [3, ["1", "2"]],
      [6, ["3", "4"]],
    ]);
  });

  test("are whole when they are cut by the end of a piece", async () => {
    const lines = Array.from({ length: 9_000 }, (_, i) => [`${i}`, `"é, ""${i}"" €"`, "x"]);
    const records = await read(lines.map((line) => `${line.join(",")}\r\n`).join(""));
    expect(records).toHaveLength(lines.length);
    const odd = records.filter((record, i) => {
      const fields = "fields" in record ? record.fields : [];
      return record.line !== i + 1 || fields.join("|") !== `${i}|é, "${i}" €|x`;
    });
    expect(odd).toEqual([]);
  });

  test("end where the next one begins", async () => {
    const text = "\uFEFFa,b\né,2\r\n3,4\n";
    const bytes = Buffer.from(text);
    const ends = (await read(text)).map(({ end }) => bytes.subarray(0, end).toString());
    expect(ends).toEqual(["\uFEFFa,b\n", "\uFEFFa,b\né,2\r\n", text]);
  });

  test("come back as they were written, whatever is in them", async () => {
    const field = fc.string({ unit: "grapheme" }).map((text) => text.replaceAll(/[\r\n]/g, " "));
    const table = fc
      .integer({ min: 2, max: 4 })
      .chain((width) =>
        fc.array(fc.array(field, { minLength: width, maxLength: width }), { minLength: 1 }),
      );
    const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
    await fc.assert(
      fc.asyncProperty(table, fc.constantFrom("\n", "\r\n"), async (rows, line_break) => {
        const text = rows.map((row) => row.map(quoted).join(",") + line_break).join("");
        expect(await shown(text)).toEqual(rows.map((row, i) => [i + 1, row]));
      }),
      { numRuns: 200 },
    );
  });
});

describe("a line with wrong quotes", () => {
  test.each([
    ["is closed too early", '"1"x,2'],
    ["begins too late", '1 "x",2'],
    ["is never closed", '"1,2'],
  ])("is bad alone: one %s", async (_, line) => {
    const head = "a,b\n0,0\n";
    expect(await shown(`${head}${line}\n3,"4"\n"5",6\n`)).toEqual([
      [1, ["a", "b"]],
      [2, ["0", "0"]],
      [3, expect.stringMatching(/^has a quote /)],
      [4, ["3", "4"]],
      [5, ["5", "6"]],
    ]);
    expect(await shown(head + line)).toEqual([
      [1, ["a", "b"]],
      [2, ["0", "0"]],
      [3, WRONG_QUOTE],
    ]);
  });

  test("does not swallow a long file", async () => {
    const lines = Array.from({ length: 20_000 }, (_, i) => `${i},x\n`);
    const records = await read(`a,b\n"open,x\n${lines.join("")}`);
    expect(records).toHaveLength(lines.length + 2);
    expect(records[1]).toMatchObject({
      line: 2,
      problem: "is longer than 16384 bytes, or has a quote that is not closed",
    });
    expect(records.filter((record) => "problem" in record)).toHaveLength(1);
  });

  test("may be there a thousand times, and no more", async () => {
    const wrong = (count: number) => `a,b\n${'"1"x,2\n'.repeat(count)}3,4\n`;
    const records = await read(wrong(1_000));
    expect(records).toHaveLength(1_002);
    expect(records.at(-1)).toMatchObject({ line: 1_002, fields: ["3", "4"] });
    await expect(read(wrong(1_001))).rejects.toThrow("quotes are wrong on more than 1000 lines");
  });
});

test("a text of several lines is one bad record, and the lines behind it keep their numbers", async () => {
  expect(await shown('a,b\r\n1,"one\r\ntwo\r\nthree"\r\n2,3\r\n')).toEqual([
    [1, ["a", "b"]],
    [2, "goes on to line 4: no text may do that"],
    [5, ["2", "3"]],
  ]);
});

test("what looks like a line within a text is none", async () => {
  expect(await shown('sku,quantity\n"a\nb,1\nc",5\nd,6\n')).toEqual([
    [1, ["sku", "quantity"]],
    [2, "goes on to line 4: no text may do that"],
    [5, ["d", "6"]],
  ]);
});

test("chunks have their size, and end at the stops", () =>
  withFile(
    `sku,quantity\n${Array.from({ length: 10 }, (_, i) => `s${i},1\n`).join("")}`,
    async (p) => {
      const file = await openCsvFile(p);
      const chunksWith = async (size: number, stops: number[]) => {
        const options = { size, stops, default_store: "main" };
        return (await Array.fromAsync(readChunks(file, options))).map(({ last }) => last);
      };
      expect(await chunksWith(4, [])).toEqual([4, 8, 10]);
      expect(await chunksWith(4, [0, 10])).toEqual([4, 8, 10]);
      expect(await chunksWith(4, [3, 9])).toEqual([3, 7, 9, 10]);
      expect(await chunksWith(5, [5])).toEqual([5, 10]);
      await file.close();
    },
  ));

test("a catalogue has at most a million lines", () => {
  const lines = Array.from({ length: 1_000_001 }, (_, i) => `s${i},1\n`);
  return withFile(`sku,quantity\n${lines.join("")}`, async (path) => {
    const file = await openCsvFile(path);
    let last = 0;
    const readAll = async () => {
      for await (const chunk of readChunks(file, { size: 1_000, stops: [], default_store: "m" })) {
        last = chunk.last;
      }
    };
    await expect(readAll()).rejects.toThrow("more than 1000000 lines: split the file");
    expect(last).toBe(1_000_000);
    await file.close();
  });
}, 120_000);
