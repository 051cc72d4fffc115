import { mkdtemp, open, readFile, rm, statfs } from "node:fs/promises";
import { cpus, release, totalmem, type } from "node:os";
import { join } from "node:path";
import { findRedisServer } from "../install-redis.ts";
import { nativePostgres } from "../postgres-binaries.ts";
import { median } from "./figures.ts";
import type { Generator } from "./load.ts";

const SYNCS = 200;
const SYNC_BYTES = 4_096;
// As Linux numbers them (statfs(2)).
const FILE_SYSTEMS: Record<number, string> = {
  61267: "ext4",
  1481003842: "xfs",
  2435016766: "btrfs",
  2035054128: "overlay",
  16914836: "tmpfs, where nothing is ever synced to a disk",
};

export type Machine = Awaited<ReturnType<typeof describeMachine>>;

/** What the figures depend on, beside the code. @param dir where the data lie */
export async function describeMachine(dir: string, load: Pick<Generator, "name" | "note">) {
  const all = cpus();
  return {
    date: new Date().toISOString(),
    cpu: all[0]?.model.trim() ?? "unknown",
    cores: all.length,
    memory_gib: Math.round(totalmem() / 2 ** 30),
    os: (await distribution()) ?? `${type()} ${release()}`,
    disk: FILE_SYSTEMS[(await statfs(dir)).type] ?? "unknown",
    sync_ms: await measureSync(dir),
    node: process.versions.node,
    redis: (await findRedisServer()) ?? "unknown",
    postgres: (await nativePostgres()).version.replace(/-.*/, ""), // the rest is the package's own
    load: `${load.name}, ${load.note}`,
  };
}

async function distribution(): Promise<string | undefined> {
  const text = await readFile("/etc/os-release", "utf8").catch(() => "");
  return /^PRETTY_NAME="(.*)"$/m.exec(text)?.[1];
}

// What group commit is there for: with a disk that syncs at once there is nothing to share.
async function measureSync(dir: string): Promise<number> {
  const place = await mkdtemp(join(dir, "sync-"));
  const file = await open(join(place, "file"), "w");
  try {
    const times: number[] = [];
    for (let i = 0; i < SYNCS; i += 1) {
      await file.write(Buffer.alloc(SYNC_BYTES));
      const started = performance.now();
      await file.datasync();
      times.push(performance.now() - started);
    }
    return median(times) ?? 0;
  } finally {
    await file.close();
    await rm(place, { recursive: true });
  }
}
