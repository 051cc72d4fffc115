import { cp, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createAsker } from "../../../scripts/drill/ask.ts";
import { freshDir } from "../../setup/stack.ts";
import { expectInvariants } from "../invariants.ts";
import { openHouse, type WholeHouse } from "../whole-house.ts";

const TEST_MS_MAX = 60_000;
const ROOT = new URL("../../../", import.meta.url).pathname;

let house: WholeHouse & { redis: Awaited<ReturnType<typeof openHouse>>["redis"] };
let next: Awaited<ReturnType<typeof freshDir>>;
beforeAll(async () => {
  [house, next] = await Promise.all([openHouse(), freshDir()]);
  await makeNextVersion(next.dir);
}, TEST_MS_MAX);
afterAll(async () => {
  await house?.close();
  await next?.close();
}, TEST_MS_MAX);

/** The same Holdfast, but for the text of every script, and so for their SHAs. */
async function makeNextVersion(dir: string): Promise<void> {
  for (const name of ["src", "worker", "lua", "sql", "docs", "package.json"]) {
    await cp(join(ROOT, name), join(dir, name), { recursive: true });
  }
  await symlink(join(ROOT, "node_modules"), join(dir, "node_modules"));
  const file = join(dir, "lua/lib/batch.lua");
  await writeFile(file, `${await readFile(file, "utf8")}\n-- Of the next version.\n`);
}

test(
  "two versions of the scripts serve side by side while one takes the other's place, and back",
  async () => {
    const { crowd, admin, api, worker, journal, redis, startApi, startWorker } = house;
    await crowd.come();
    const generation = await admin.get("inventory.generation");
    const root = next.dir;

    const next_api = await startApi({ root });
    await crowd.leave();
    const [door, next_door] = [api, next_api].map(({ url }) => createAsker(url, () => 0));
    if (!door || !next_door) throw new Error("there are two doors");
    await crowd.come({ doors: [door, next_door] });
    const next_worker = await startWorker({ root, name: "w2" });
    await crowd.goOn(50);
    await worker.kill("SIGTERM");
    await crowd.goOn(50);
    await crowd.leave();
    await api.kill("SIGTERM");
    await crowd.come({ doors: [next_door] });

    // Nobody has noticed anything, and Redis was never closed.
    const codes = journal.entries.flatMap(({ outcome }) =>
      outcome.end === "ANSWERED" && outcome.answer.status >= 500 ? [outcome.answer.code] : [],
    );
    expect(codes).toEqual([]);
    expect(await admin.get("inventory.generation")).toBe(generation);

    // The next version admits Redis, and the old one comes back beside it.
    await redis.kill();
    await redis.start();
    await crowd.goOn();
    const old_api = await startApi();
    const old_door = createAsker(old_api.url, () => 0);
    await crowd.leave();
    await crowd.come({ doors: [next_door, old_door] });
    await startWorker({ name: "w" });
    await next_worker.kill("SIGTERM");
    await crowd.goOn(50);
    await expectInvariants(house);
    for (const asker of [door, next_door, old_door]) asker.close();
  },
  TEST_MS_MAX,
);
