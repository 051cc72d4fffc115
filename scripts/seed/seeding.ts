import { until } from "../until.ts";
import type { ProductCells } from "./catalogue-line.ts";
import type { CsvFile } from "./csv-file.ts";
import { CHUNK_LINES, type Chunk, type FileLine, readChunks } from "./file-lines.ts";
import { beginLines, endLines, findRecorded, type Seeding } from "./seedings.ts";
import type { Servers } from "./servers.ts";
import { createStockSetter } from "./set-stock.ts";
import type { Tally } from "./tally.ts";

/** Two: while the last lines of one are decided, the batches are filled up from the next. */
const CHUNKS_MAX = 2;
const SHA_CHARS = 16;
const RECORDED_MS_MAX = 60_000;

type GoodLine = Extract<FileLine, { said: object }>;
const isGood = (line: FileLine): line is GoodLine => line.problem === undefined;

/**
 * Carries out what is left of a file: products in Postgres chunk by chunk, and each line's stock in Redis
 * under a key of its own, so that it is set once however often a seeding is cut short. It writes down how far
 * it may have come before a chunk, and how far all is decided after it.
 * @returns whether it came to the end of the file; it ends earlier when `isStopped` says so
 */
export async function seedFile({
  file,
  seeding,
  servers,
  default_store,
  tally,
  isStopped,
}: {
  file: CsvFile;
  seeding: Seeding;
  servers: Servers;
  default_store: string;
  tally: Tally;
  isStopped: () => boolean;
}): Promise<boolean> {
  const { client, stock, unrecorded } = servers;
  const setStock = createStockSetter(stock);
  const key = file.sha256.slice(0, SHA_CHARS) + (seeding.run > 1 ? `.${seeding.run}` : "");
  const keyOf = (line: FileLine) => `${key}#${line.number}`;
  const before = { done: seeding.lines_done, begun: seeding.lines_begun };
  let done = before.done;
  const in_flight: { chunk: Chunk; decided: Promise<void> }[] = [];

  for await (const chunk of readChunks(file, {
    size: CHUNK_LINES,
    stops: [before.done, before.begun],
    default_store,
  })) {
    if (isStopped()) break;
    await file.refuseChanged();
    if (chunk.last <= before.done) tally.passed(chunk);
    else if (chunk.last <= before.begun) {
      start(chunk, await withoutRecorded(chunk));
      // Before later lines begin, or their time would stand for these.
      await waitFor(0);
    } else {
      const begun = chunk.last;
      const products = productsOf(chunk);
      tally.counts.products += await beginLines(client, file.sha256, { done, begun, products });
      await waitFor(CHUNKS_MAX - 1);
      start(chunk, chunk.lines.filter(isGood));
    }
  }
  await waitFor(0);
  await file.refuseChanged();
  const finished = !isStopped();
  await endLines(client, file.sha256, { done, finished });
  return finished;

  function start(chunk: Chunk, lines: GoodLine[]) {
    const decided = decide(chunk, lines);
    decided.catch(() => {}); // whoever waits for it hears of it
    in_flight.push({ chunk, decided });
  }

  async function decide(chunk: Chunk, lines: GoodLine[]): Promise<void> {
    tally.counts.set_before += tally.judge(chunk) - lines.length;
    await Promise.all(
      lines.map(async (line) => {
        const outcome = await setStock(line.said, keyOf(line));
        if (outcome === "SET") tally.counts.set += 1;
        else if (outcome === "SET_BEFORE") tally.counts.set_before += 1;
        else tally.bad(line, outcome.problem);
      }),
    );
  }

  async function waitFor(still_in_flight: number): Promise<void> {
    while (in_flight.length > still_in_flight) {
      const first = in_flight.shift();
      if (!first) return;
      await first.decided;
      done = first.chunk.last;
      tally.reached(first.chunk);
    }
  }

  // Lines that an earlier run had begun. Redis knows by their keys which it decided, or else the ledger does.
  async function withoutRecorded({ lines }: Chunk): Promise<GoodLine[]> {
    const good = lines.filter(isGood);
    if (!seeding.keys_forgotten) return good;
    await until(
      "the worker has recorded everything, which tells what an earlier run has set",
      async () => ((await unrecorded()) <= 0 ? true : undefined),
      RECORDED_MS_MAX,
    );
    const recorded = await findRecorded(
      client,
      good.map((line) => ({ ...line.said, reference: keyOf(line) })),
    );
    return good.filter((line) => !recorded.has(keyOf(line)));
  }
}

/** What a chunk says of products: of several lines about one, the last one that says something. */
function productsOf({ lines }: Chunk): ProductCells[] {
  const products = new Map<string, ProductCells>();
  for (const { product } of lines.filter(isGood).map(({ said }) => said)) {
    if (product === null) continue;
    const before = products.get(product.sku);
    products.set(product.sku, before === undefined ? product : merged(before, product));
  }
  return [...products.values()];
}

const merged = (before: ProductCells, after: ProductCells): ProductCells => ({
  ...after,
  description: after.description ?? before.description,
  price: after.price ?? before.price,
  category: after.category ?? before.category,
  location: after.location ?? before.location,
});
