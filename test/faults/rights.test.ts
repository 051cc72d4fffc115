import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { Redis } from "ioredis";
import { freshRedis } from "../setup/stack.ts";
import { expectInvariants } from "./invariants.ts";
import { openWholeHouse, type WholeHouse } from "./whole-house.ts";

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

// EVALSHA is refused before a script begins; the others are met in the middle of one.
test.each(["evalsha", "xadd", "hset"])(
  "without the right to %s nothing is done and everybody told so, and sales go on when it is back",
  async (command) => {
    const { crowd, admin, journal } = house;
    await crowd.come();
    await admin.call("ACL", "SETUSER", "clerk", `-${command}`);
    const seq = await admin.get("inventory.seq");
    const first = journal.entries.length;
    await crowd.meet(503, 20);
    expect(await admin.get("inventory.seq")).toBe(seq);
    const codes = journal.entries
      .slice(first)
      .flatMap(({ outcome }) => (outcome.end === "ANSWERED" ? [outcome.answer] : []))
      .filter(({ status }) => status >= 500)
      .map(({ status, code }) => `${status} ${code}`);
    await admin.call("ACL", "SETUSER", "clerk", `+${command}`);
    expect(new Set(codes)).toEqual(new Set(["503 STORE_UNAVAILABLE"]));
    await crowd.goOn();
    await expectInvariants(house);
  },
  TEST_MS_MAX,
);
