import { execFile } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { freePort } from "../../../scripts/free-port.ts";
import { startRedis } from "../../../scripts/local-redis.ts";
import { freshDir } from "../../setup/stack.ts";
import { expectInvariants } from "../invariants.ts";
import { openWholeHouse, type Server } from "../whole-house.ts";

const run = promisify(execFile);
const DISK_MB = 16;
const TEST_MS_MAX = 120_000;

/** A Redis whose files are on a small disk of its own; null where nobody may mount one. */
async function redisOnSmallDisk() {
  const place = await freshDir();
  const disk = join(place.dir, "disk");
  await mkdir(disk);
  try {
    await run("mount", ["-t", "tmpfs", "-o", `size=${DISK_MB}m`, "tmpfs", disk]);
  } catch (error) {
    await place.close();
    const why = error instanceof Error ? error.message.trim() : String(error);
    process.stderr.write(`NOT TESTED: a full disk, as no disk may be mounted here (${why})\n`);
    return null;
  }
  const port = await freePort();
  const start = () =>
    startRedis({ dir: join(disk, "redis"), port, logFile: join(place.dir, "redis.log") });
  let server = await start();
  return {
    url: server.url,
    port,
    disk,
    /** It ends by itself when it can't write. */
    ended: () => server.exited,
    start: async () => {
      server = await start();
    },
    async close() {
      await server.stop();
      await run("umount", [disk]);
      await place.close();
    },
  };
}

let redis: Awaited<ReturnType<typeof redisOnSmallDisk>> = null;
let house: Awaited<ReturnType<typeof openWholeHouse<Server>>> | undefined;
beforeAll(async () => {
  redis = await redisOnSmallDisk();
  if (redis) house = await openWholeHouse({ redis });
}, TEST_MS_MAX);
afterAll(() => house?.close(), TEST_MS_MAX);

test(
  "a disk that is full under Redis's file costs no promise, and sales go on once there is room",
  async () => {
    if (!redis || !house) return; // it was said
    const { crowd } = house;
    await crowd.come();
    const ballast = join(redis.disk, "ballast");
    // Whatever is left, however much Redis writes meanwhile.
    const too_much = Buffer.alloc(DISK_MB * 1_048_576);
    await expect(writeFile(ballast, too_much)).rejects.toThrow(/ENOSPC/);
    expect(await redis.ended()).toBe("exit code 1");
    await crowd.meet(503, 10);
    await rm(ballast);
    await redis.start();
    await crowd.goOn();
    await expectInvariants(house);
  },
  TEST_MS_MAX,
);
