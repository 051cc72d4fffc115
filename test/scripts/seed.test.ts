import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { writeEnvFile } from "../../scripts/env-file.ts";
import { openDecidingSide } from "../setup/deciding-side.ts";
import { freshDatabase, freshDir, freshRedis } from "../setup/stack.ts";
import { query } from "../worker/query.ts";
import { runSeed } from "./seed-command.ts";

let place: Awaited<ReturnType<typeof freshDir>>;
let server: Awaited<ReturnType<typeof freshRedis>>;
let database: Awaited<ReturnType<typeof freshDatabase>>;
let deciding: Awaited<ReturnType<typeof openDecidingSide>>;
let env: Record<string, string>;

beforeAll(async () => {
  [place, server, database] = await Promise.all([freshDir(), freshRedis(), freshDatabase()]);
  deciding = await openDecidingSide(server.url);
  env = { REDIS_URL: server.url, DATABASE_URL: database.url };
});

afterAll(async () => {
  await deciding?.close();
  await Promise.all([place?.close(), server?.close(), database?.close()]);
});

let files = 0;
async function writeCsv(text: string | Buffer): Promise<string> {
  files += 1;
  const path = join(place.dir, `catalogue-${files}.csv`);
  await writeFile(path, text);
  return path;
}

const stockOf = async (sku: string, store_id = "main") => {
  const [available, version] = await Promise.all([
    deciding.redis.get(deciding.keys.stock(sku, store_id)),
    deciding.redis.hget(deciding.keys.item(sku, store_id), "version"),
  ]);
  return available === null ? null : { available: Number(available), version: Number(version) };
};

const productOf = async (sku: string) => {
  const rows = await query<Record<string, unknown>>(
    database.url,
    `select name, description, price::text as price, category, location, version
     from products where sku = $1`,
    [sku],
  );
  return rows[0] ?? null;
};

test("each line sets its stock, and makes its product when it has a name", async () => {
  const file = await writeCsv(
    [
      "sku,store,quantity,name,description,price,category,location",
      "tea,,10,Green tea,First harvest,4.95,tea,aisle 7",
      "tea,berlin,3,,,,,",
      "mug,,0,Mug,,,,",
      "bare,,7,,,,,",
    ].join("\n"),
  );
  const { code, out, err } = await runSeed([file], env);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  expect(out).toMatch(
    /lines: 4 \(.*\), stocks set: 4, products made or changed: 2, bad lines: 0\n$/,
  );

  expect(await stockOf("tea")).toEqual({ available: 10, version: 1 });
  expect(await stockOf("tea", "berlin")).toEqual({ available: 3, version: 1 });
  expect(await stockOf("mug")).toEqual({ available: 0, version: 1 });
  expect(await stockOf("bare")).toEqual({ available: 7, version: 1 });
  expect(await deciding.stores.readAll()).toEqual(new Map([["berlin", 0]]));
  expect(await productOf("tea")).toEqual({
    name: "Green tea",
    description: "First harvest",
    price: "4.95",
    category: "tea",
    location: "aisle 7",
    version: 1,
  });
  expect(await productOf("mug")).toMatchObject({ name: "Mug", price: null, version: 1 });
  expect(await productOf("bare")).toBeNull();
});

test("a product that is there changes its version only when something differs", async () => {
  const seedLines = async (...lines: string[]) =>
    runSeed([await writeCsv(["sku,onHand,name,price,category", ...lines].join("\n"))], env);
  await seedLines("pen,1,Pen,2.50,office", "ink,1,Ink,9,office");
  expect((await seedLines("pen,1,Pen,2.5,", "ink,1,Blue ink,,")).code).toBe(0);
  expect(await productOf("pen")).toMatchObject({ name: "Pen", category: "office", version: 1 });
  // An empty cell says nothing: what is there stays.
  expect(await productOf("ink")).toMatchObject({ name: "Blue ink", price: "9.00", version: 2 });
});

test("two lines about one product in two stores are one product", async () => {
  const file = await writeCsv(
    "sku,storeId,onHand,name,price,location\nlamp,a,1,Lamp,8.00,hall\nlamp,b,2,Lamp,,shelf\n",
  );
  expect((await runSeed([file], env)).code).toBe(0);
  const known = { name: "Lamp", price: "8.00", location: "shelf", version: 1 };
  expect(await productOf("lamp")).toMatchObject(known);
});

test("bad lines are told with number and reason, and stop no others", async () => {
  const file = await writeCsv(
    [
      "sku,store,quantity,name",
      "ok-1,,1,One",
      "not a sku,,1,",
      "no-quantity,,,",
      "minus,,-1,",
      "fraction,,1.5,",
      "too-many,,1000000001,",
      "ok-most,,1000000000,",
      "bad-store,no store,1,",
      "short,,1",
      "long,,1,Long,more",
      "ok-1,,5,Again",
      "ok-1,main,5,Again",
      "ok-1,elsewhere,5,One",
      `name,,1,${"n".repeat(201)}`,
      'open,,1,"Never closed',
      'inside,,1,A "quoted" name',
      'odd,,1,"Closed" too early',
      "ok-last,,2,",
    ].join("\n"),
  );
  const { code, out, err } = await runSeed([file], env);
  expect(code).toBe(1);
  expect(out).toMatch(/lines: 18 .*, stocks set: 4, products made or changed: 1, bad lines: 14\n$/);
  expect(err).toMatch(/Put these lines, mended, into a file of their own\. [\s\S]*\.\n$/);
  const quote = "has a quote in a wrong place, or one that is not closed";
  expect(err.split("\n").filter((line) => line.startsWith("  "))).toEqual([
    "  line 3: sku must be 1 to 64 of A-Z a-z 0-9 . _ -",
    "  line 4: quantity must be a whole number from 0 to 1000000000",
    "  line 5: quantity must be a whole number from 0 to 1000000000",
    "  line 6: quantity must be a whole number from 0 to 1000000000",
    "  line 7: quantity must be a whole number from 0 to 1000000000",
    "  line 9: store must be 1 to 64 of A-Z a-z 0-9 . _ -",
    "  line 10: has 3 columns, not 4",
    "  line 11: has 5 columns, not 4",
    "  line 12: ok-1 in main is on line 2 already",
    "  line 13: ok-1 in main is on line 2 already",
    "  line 15: name must be 1 to 200 characters, none of them a control character",
    `  line 16: ${quote}`,
    `  line 17: ${quote}`,
    `  line 18: ${quote}`,
  ]);
  expect(await stockOf("ok-1")).toEqual({ available: 1, version: 1 });
  expect(await stockOf("ok-1", "elsewhere")).toEqual({ available: 5, version: 1 });
  expect(await stockOf("ok-most")).toEqual({ available: 1_000_000_000, version: 1 });
  expect(await stockOf("ok-last")).toEqual({ available: 2, version: 1 });
  for (const sku of ["minus", "short", "long", "name", "open"]) {
    expect(await stockOf(sku)).toBeNull();
  }
});

test("a stock that Redis refuses to touch is a bad line, and stops no other", async () => {
  await deciding.redis.set("stock:odd-stock", "abc");
  const file = await writeCsv("sku,quantity\nbefore-odd,1\nodd-stock,2\nbehind-odd,3\n");
  const { code, err } = await runSeed([file], env);
  expect(code).toBe(1);
  expect(err).toContain("  line 3: The Redis key stock:odd-stock holds something else");
  expect(await stockOf("behind-odd")).toEqual({ available: 3, version: 1 });
});

test("a file from Windows is read: byte order mark, CRLF, quotes, spaces, blank lines", async () => {
  const file = await writeCsv(
    '\uFEFFsku , quantity,"name"\r\nwin-1, 4 ,"Tea, ""green"" – 5 €"\r\n\r\n"win-2",5,\r\n',
  );
  const { code, out } = await runSeed([file], env);
  expect(code).toBe(0);
  expect(out).toContain("lines: 2 (");
  expect(await stockOf("win-1")).toEqual({ available: 4, version: 1 });
  expect(await productOf("win-1")).toMatchObject({ name: 'Tea, "green" – 5 €' });
  expect(await stockOf("win-2")).toEqual({ available: 5, version: 1 });
});

test("a finished file does nothing again, whatever its name, unless that is wanted", async () => {
  const text = "sku,quantity\nonce,10\n";
  expect((await runSeed([await writeCsv(text)], env)).code).toBe(0);
  await deciding.redis.decrby("stock:once", 4);

  const other_name = await writeCsv(text);
  const second = await runSeed([other_name], env);
  expect(second.code).toBe(0);
  expect(second.out).toMatch(/was seeded on \d{4}-.*Z\. With --again each line sets its stock/);
  expect(await stockOf("once")).toEqual({ available: 6, version: 1 });

  for (const version of [2, 3]) {
    expect((await runSeed(["--again", other_name], env)).out).toContain("stocks set: 1");
    expect(await stockOf("once")).toEqual({ available: 10, version });
  }
  expect((await runSeed([other_name], env)).out).toContain("was seeded on");
});

test("--dry-run checks the file and changes nothing, with no server there", async () => {
  const file = await writeCsv("sku,quantity,name\ndry,1,Dry\ndry,2,Dry\n");
  const nowhere = { HOLDFAST_DATA: place.dir };
  const { code, out, err } = await runSeed(["--dry-run", file], nowhere);
  expect(out).toContain("lines: 2, good: 1, bad: 1. Nothing was changed");
  expect(err).toContain("  line 3: dry in main is on line 2 already\n");
  expect(code).toBe(1);
  expect(await stockOf("dry")).toBeNull();
  expect((await runSeed([file], env)).out).toContain("stocks set: 1");
});

test("the servers of a running stack are found by its env file, and its default store", async () => {
  const stack = await freshDir();
  const file = await writeCsv("sku,quantity\nhere,1\n");
  const nothing = await runSeed([file], { HOLDFAST_DATA: stack.dir });
  expect(nothing).toMatchObject({ code: 1, out: "" });
  expect(nothing.err).toContain("REDIS_URL is not set and nothing is running");

  writeEnvFile(join(stack.dir, "env"), env);
  const found = { HOLDFAST_DATA: stack.dir, DEFAULT_STORE: "paris" };
  expect((await runSeed([file], found)).code).toBe(0);
  await stack.close();
  // The default store's key has no suffix.
  expect(await stockOf("here")).toEqual({ available: 1, version: 1 });
  const [entry] = await deciding.redis.xrevrange(deciding.keys.stream, "+", "-", "COUNT", 1);
  expect(entry?.[1].join(" ")).toContain('"store_id":"paris"');
  expect(entry?.[1].join(" ")).toContain('"actor":"seed"');
});

test.each([
  ["an empty file", "", "is empty: its first line must name the columns"],
  ["a column that is not known", "sku,quantity,colour\n", 'there is no column "colour"'],
  ["semicolons", "sku;quantity\na;1\n", "with commas between them"],
  ["a column that is missing", "sku,name\na,b\n", "the column quantity is missing"],
  ["no sku", "quantity\n1\n", "the column sku is missing"],
  ["a column by both of its names", "sku,quantity,onHand\n", "the column onHand is there twice"],
  ["UTF-16", Buffer.from("\uFEFFsku,quantity\n", "utf16le"), "is UTF-16: save it as UTF-8"],
  ["a header without an end", 'sku,"quantity\n', "the header has a quote"],
])("%s is refused in one sentence", async (_, text, sentence) => {
  const { code, out, err } = await runSeed([await writeCsv(text)], env);
  expect({ code, out }).toEqual({ code: 1, out: "" });
  expect(err).toContain(sentence);
  expect(err).toMatch(/^holdfast: .*\n$/);
});

test("a header alone is a finished file", async () => {
  const file = await writeCsv("sku,quantity\n");
  const { code, out } = await runSeed([file], env);
  expect({ code, out }).toEqual({ code: 0, out: expect.stringContaining("stocks set: 0") });
  expect((await runSeed([file], env)).out).toContain("was seeded on");
});

test.each([
  ["no file", [], "Name one file."],
  ["two files", ["a.csv", "b.csv"], "Name one file."],
  ["an unknown option", ["--force", "a.csv"], "Unknown option '--force'"],
])("%s is answered with the usage", async (_, args, sentence) => {
  const { code, err } = await runSeed(args);
  expect(code).toBe(2);
  expect(err).toContain(sentence);
  expect(err).toContain("Usage: npm run seed -- ");
});

test("a file that is not there, and a directory, are refused in one sentence", async () => {
  const missing = await runSeed([join(place.dir, "missing.csv")], env);
  expect(missing).toMatchObject({ code: 1, err: expect.stringMatching(/^holdfast: ENOENT.*\n$/) });
  const dir = await runSeed([place.dir], env);
  expect(dir.code).toBe(1);
  expect(dir.err).toContain("is no file that can be read twice");
});
