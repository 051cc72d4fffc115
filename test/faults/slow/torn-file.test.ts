import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { openScripts } from "../../lua/script-side.ts";
import { appendFile } from "../../recovery/aof.ts";
import { untilRecorded } from "../../worker/books.ts";
import { query } from "../../worker/query.ts";
import { startOnCuts, writeFileOf } from "../cut-files.ts";
import { expectInvariants } from "../invariants.ts";
import { openHouse } from "../whole-house.ts";

/** Of how many scripts, the last ones in the file, each byte of all their entries is tried. */
const LAST_SCRIPTS = 1;
/** How the file puts what a script writes between, and what is in there for each of its events. */
const [MULTI, EXEC] = ["*1\r\n$5\r\nMULTI\r\n", "*1\r\n$4\r\nEXEC\r\n"];
const EVENT = "\r\nXADD\r\n";
/** Of a disk: what is lost in one piece. */
const BLOCK_BYTES = 512;
/** On a busy machine; on an idle one it is a quarter. */
const TEST_MS_MAX = 400_000;

type AppendFile = Awaited<ReturnType<typeof appendFile>>;

test(
  "torn at each byte of the last entries, Redis has what it had after a script, and no part of one",
  async () => {
    const side = await openScripts(["--enable-debug-command", "yes"]);
    try {
      const written = await writeFileOf(side);
      const { bytes, steps } = written;
      const from = steps.at(-1 - LAST_SCRIPTS)?.size ?? 0;
      const sizes = Array.from({ length: bytes.length - from + 1 }, (_, i) => from + i);
      expect(sizes.length).toBeGreaterThan(1_000);
      expect(await startOnCuts(written, sizes)).toEqual([]);
    } finally {
      await side.close();
    }
  },
  TEST_MS_MAX,
);

describe("a whole house", () => {
  let house: Awaited<ReturnType<typeof openHouse>>;
  beforeAll(async () => {
    house = await openHouse();
  }, TEST_MS_MAX);
  afterAll(() => house?.close(), TEST_MS_MAX);

  /** Kills Redis, does something to its file, and starts it again. */
  async function killAnd(change: (file: AppendFile) => Promise<void>) {
    const file = await appendFile(house.admin);
    await house.redis.kill();
    await change(file);
    await house.redis.start();
  }

  test(
    "loses nothing when power fails in the middle of a write that nobody was told of",
    async () => {
      const { crowd } = house;
      await crowd.come();
      for (const bytes of [1, 30, 300, 900]) {
        await killAnd(async (file) => {
          const written = await file.read();
          const last = written.lastIndexOf(MULTI);
          expect(last).toBeGreaterThan(0);
          const end = written.indexOf(EXEC, last) + EXEC.length;
          const torn = written.subarray(last, Math.min(last + bytes, end - 1));
          await file.write(Buffer.concat([written, torn]));
        });
        await crowd.goOn();
      }
      await expectInvariants(house);
      expect(await recoveries()).toEqual([]);
    },
    TEST_MS_MAX,
  );

  test(
    "gets back what was recorded and torn off, and says that it was",
    async () => {
      const { crowd, admin, stores } = house;
      const cutBeforeLast = (events: number) => async (file: AppendFile) => {
        const { places } = await eventsIn(file);
        await file.cutTo(places.at(-events) ?? 0);
      };
      const cuts = [1, 3, 30].map(cutBeforeLast);
      for (const cut of [(file: AppendFile) => file.cutBy(1), ...cuts]) {
        await crowd.come();
        await crowd.leave();
        await untilRecorded(admin, stores.database_url);
        await killAnd(cut);
        await crowd.come();
        await expectInvariants(house);
      }
      const found = await recoveries();
      // What was written last need not have been an event.
      expect(found.length).toBeGreaterThanOrEqual(cuts.length);
      expect(new Set(found)).toEqual(new Set(["TAIL_LOST 0"]));
    },
    TEST_MS_MAX,
  );

  test(
    "gets back what was recorded behind damage that Redis takes for the end of its file",
    async () => {
      const { crowd, admin, stores } = house;
      const before = await recoveries();
      await crowd.come();
      await crowd.leave();
      await untilRecorded(admin, stores.database_url);
      await killAnd(async (file) => {
        const { whole, middle } = await halves(file);
        // A length beyond the end: Redis goes on without the second half, as if it were half a write.
        const length = Buffer.from(`*1\r\n$${whole.length}\r\n`);
        await file.write(
          Buffer.concat([whole.subarray(0, middle), length, whole.subarray(middle)]),
        );
      });
      await crowd.come();
      await expectInvariants(house);
      expect(await recoveries()).toEqual([...before, "TAIL_LOST 0"]);
    },
    TEST_MS_MAX,
  );

  test(
    "sells nothing while Redis refuses its file, which is damaged in the middle, and goes on once it is mended",
    async () => {
      const { crowd, api, worker, redis } = house;
      await crowd.come();
      const file = await appendFile(house.admin);
      await redis.kill();
      const { whole, middle } = await halves(file);
      const zeros = Buffer.alloc(BLOCK_BYTES);
      const rest = whole.subarray(middle + zeros.length);
      await file.write(Buffer.concat([whole.subarray(0, middle), zeros, rest]));
      await expect(redis.start()).rejects.toThrow(/Bad file format reading the append only file/);
      await crowd.meet(503, 10);
      for (const process of [api, worker]) {
        const ready = await fetch(`${process.url}/ready`);
        expect(ready.status).toBe(503);
        expect(await ready.json()).toMatchObject({ missing: { redis: expect.any(String) } });
        expect((await fetch(`${process.url}/health`)).status).toBe(200);
      }
      await file.write(whole);
      await redis.start();
      await crowd.goOn();
      await expectInvariants(house);
    },
    TEST_MS_MAX,
  );

  /** The whole file, and where each event is in it, amid the transaction of its script. */
  async function eventsIn(file: AppendFile) {
    const whole = await file.read();
    const places: number[] = [];
    for (let at = whole.indexOf(EVENT); at >= 0; at = whole.indexOf(EVENT, at + 1)) places.push(at);
    expect(places.length).toBeGreaterThan(30);
    return { whole, places };
  }

  /** The whole file, and where the script begins that has made the event in the middle. */
  async function halves(file: AppendFile) {
    const { whole, places } = await eventsIn(file);
    const middle = whole.lastIndexOf(MULTI, places[Math.floor(places.length / 2)]);
    expect(middle).toBeGreaterThan(0);
    return { whole, middle };
  }

  /** What was found whenever Redis was admitted and had lost something, with the events lost for good. */
  const recoveries = async () =>
    (
      await query<{ found: string }>(
        house.stores.database_url,
        `select finding || ' ' || events_lost as found from recoveries
         where finding <> 'INTACT' order by recovery_id`,
      )
    ).map(({ found }) => found);
});
