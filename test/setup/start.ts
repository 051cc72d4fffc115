import { chmod, mkdtemp, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../scripts/free-port.ts";
import { ensureRedisServer } from "../../scripts/install-redis.ts";
import { startPostgres } from "../../scripts/local-postgres.ts";
import { say } from "../../scripts/say.ts";
import { migrate } from "../../src/postgres/migrate.ts";
import { runSql, TEMPLATE } from "./stack.ts";
import stop from "./stop.ts";

/** A file system in memory, where there is one. */
const MEMORY_DIR = "/dev/shm";
/** More than all tests together have at a time. */
const ROOM_BYTES_MIN = 4 * 1024 ** 3;

/** Before all tests: one Postgres for the whole run, and in it a migrated database to copy from. */
export default async function start(): Promise<void> {
  await ensureRedisServer(say);
  const dir = await mkdtemp(join(await placeForData(), "holdfast-test-"));
  // When root runs the tests, Postgres runs as somebody else, who must be able to enter.
  await chmod(dir, 0o755);
  process.env.TEST_DIR = dir;
  // Half of what starting a process costs is to compile what another has compiled already.
  process.env.NODE_COMPILE_CACHE = join(dir, "compiled");
  try {
    const postgres = await startPostgres({
      dir: join(dir, "postgres"),
      port: await freePort(),
      // No test takes the machine down, and without it a copy of the template takes milliseconds.
      fsync: false,
      extraArgs: ["-c", "max_connections=300"],
    });
    await runSql(postgres.url, `create database ${TEMPLATE}`);
    await migrate(postgres.url.replace(/[^/]*$/, TEMPLATE));
    // A database that somebody is connected to cannot be copied, and autovacuum is somebody.
    await runSql(postgres.url, `alter database ${TEMPLATE} with allow_connections false`);
    process.env.TEST_POSTGRES_URL = postgres.url;
  } catch (error) {
    await stop();
    throw error;
  }
}

// Redis waits for its disk at each write, and that is half of what many a test waits for. No test takes the
// machine down: data in memory outlive a killed server as well.
async function placeForData(): Promise<string> {
  const room = await statfs(MEMORY_DIR).catch(() => undefined);
  return room && room.bavail * room.bsize >= ROOM_BYTES_MIN ? MEMORY_DIR : tmpdir();
}
