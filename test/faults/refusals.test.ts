import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { Redis } from "ioredis";
import { until } from "../../scripts/until.ts";
import { createKeys } from "../../src/redis/keys.ts";
import { freshRedis } from "../setup/stack.ts";
import { expectInvariants } from "./invariants.ts";
import { openWholeHouse, type WholeHouse } from "./whole-house.ts";

// What Redis refuses by a word of its own: nothing was done, and everybody is told so at once.
const ENDLESS = "#!lua flags=no-writes\nwhile true do end";
const EVENTS = createKeys("main").stream;
const TEST_MS_MAX = 60_000;

let house: WholeHouse;
beforeAll(async () => {
  const redis = await freshRedis();
  const admin = new Redis(redis.url);
  await admin.call("ACL", "SETUSER", "clerk", "on", ">secret", "~*", "&*", "+@all");
  admin.disconnect();
  house = await openWholeHouse({ redis, redis_user: "clerk:secret@" });
}, TEST_MS_MAX);
afterAll(() => house?.close());

/** The answers from the `first` entry of the journal on, as `RESERVE 503 STORE_UNAVAILABLE`. */
const answersFrom = (first: number) =>
  house.journal.entries
    .slice(first)
    .flatMap(({ request, outcome }) =>
      outcome.end === "ANSWERED"
        ? [`${request.action} ${outcome.answer.status} ${outcome.answer.code ?? ""}`.trimEnd()]
        : [],
    );
const unserved = (answers: string[]) =>
  new Set(answers.filter((text) => / 5\d\d /.test(text)).map((text) => text.replace(/^\w+ /, "")));

// EVALSHA is refused before a script begins; the others would be met in the middle of one.
test.each(["evalsha", "xadd", "hset"])(
  "without the right to %s nothing is done, and sales go on when it is back",
  async (command) => {
    const { crowd, admin, journal } = house;
    await crowd.come();
    await admin.call("ACL", "SETUSER", "clerk", `-${command}`);
    const seq = await admin.get("inventory.seq");
    const first = journal.entries.length;
    await crowd.meet(503, 20);
    expect(await admin.get("inventory.seq")).toBe(seq);
    await admin.call("ACL", "SETUSER", "clerk", `+${command}`);
    expect(unserved(answersFrom(first))).toEqual(new Set(["503 STORE_UNAVAILABLE"]));
    await crowd.goOn();
    await expectInvariants(house);
  },
  TEST_MS_MAX,
);

test(
  "while somebody else's script keeps Redis busy nothing is done, and sales go on when it has ended",
  async () => {
    const { crowd, admin, journal, redis } = house;
    await admin.config("SET", "busy-reply-threshold", "50");
    await crowd.come();
    const first = journal.entries.length;
    const other = new Redis(redis.url);
    const ended = other.eval(ENDLESS, 0).catch((error: Error) => error.message);
    const isBusy = () => admin.ping().catch((error: Error) => error.message);
    await until("it is busy", async () => (await isBusy()).startsWith("BUSY ") || undefined);
    await crowd.meet(503, 20);
    await admin.script("KILL");
    expect(await ended).toMatch(/killed/i);
    other.disconnect();
    // Our own scripts may take longer than that on a busy machine.
    await admin.config("SET", "busy-reply-threshold", "5000");
    // What was sent before it began to say so may have waited for its reply.
    const words = unserved(answersFrom(first));
    words.delete("504 OUTCOME_UNKNOWN");
    expect(words).toEqual(new Set(["503 STORE_UNAVAILABLE"]));
    await crowd.goOn();
    await expectInvariants(house);
  },
  TEST_MS_MAX,
);

test(
  "a full Redis makes no holds, and goes on to sell and to take back those it has",
  async () => {
    const { crowd, admin, journal } = house;
    await crowd.come({ at_once: 48 });
    const first = journal.entries.length;
    await admin.config("SET", "maxmemory", "1");
    const [[full_from] = ["0-0"]] = await admin.xrevrange(EVENTS, "+", "-", "COUNT", 1);
    await crowd.meet(503, 40);
    await until("holds have ended meanwhile", () => {
      const ended = answersFrom(first).filter((text) => text === "CONFIRM 200");
      return ended.length > 3 || undefined;
    });
    const answers = answersFrom(first);
    const events = await admin.xrange(EVENTS, `(${full_from}`, "+");
    await admin.config("SET", "maxmemory", "0");
    const types = events.map(([, fields]) => fields[fields.indexOf("type") + 1]);
    expect(types).not.toContain("HOLD_CREATED");
    expect(answers.filter((text) => /^(CONFIRM|CANCEL) 5/.test(text))).toEqual([]);
    // By Redis itself, until the API has seen how full it is: up to a fifth of a second.
    const words = [...unserved(answers)].filter((word) => word.startsWith("503 "));
    expect(["503 STORE_UNAVAILABLE", "503 OVERLOADED"]).toEqual(expect.arrayContaining(words));
    await crowd.goOn();
    await expectInvariants(house);
  },
  TEST_MS_MAX,
);
