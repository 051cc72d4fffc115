import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { until } from "../../scripts/until.ts";
import { appendFile } from "./aof.ts";
import { type House, openHouse } from "./house.ts";

const TEST_MS_MAX = 60_000;
const [MULTI, EXEC] = ["*1\r\n$5\r\nMULTI\r\n", "*1\r\n$4\r\nEXEC\r\n"];

let house: House;
beforeEach(async () => {
  house = await openHouse();
});
afterEach(() => house.close());

/** Kills Redis, does something to its file, starts it again, and waits until it is open. */
async function restart(change: (file: Awaited<ReturnType<typeof appendFile>>) => Promise<void>) {
  const { shop, redis } = house;
  const file = await appendFile(shop.redis);
  await house.through(async () => {
    await redis.kill();
    await change(file);
    await redis.start();
    await until("the shop is back", () => (shop.redis.status === "ready" ? true : undefined));
  });
}

test(
  "what power had left half written is carried out by no restart, neither the first one nor the next",
  async () => {
    const { shop } = house;
    await shop.stock("tea", 1_000);
    await house.worker();
    await house.untilOpen();
    await shop.reserve("tea", { quantity: 7 });
    // The next hold's entries, of which all but the end reached the disk. Nobody was told of it.
    await restart(async (file) => {
      const written = await file.read();
      const hold = written.indexOf("XADD");
      const from = written.lastIndexOf(MULTI, hold);
      const torn = written.subarray(from, written.indexOf(EXEC, hold) + EXEC.length - 1);
      await file.write(Buffer.concat([written, torn]));
    });
    expect(await shop.redis.get("stock:tea")).toBe("993");
    await shop.trade(20, "tea");
    await restart(async () => {});
    await shop.trade(20, "tea");
    await house.expectBooks(1_000);
  },
  TEST_MS_MAX,
);
