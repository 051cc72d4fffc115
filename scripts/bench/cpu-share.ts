import { existsSync } from "node:fs";
import { mkdir, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { treeOf } from "../process-tree.ts";
import type { Part } from "./parts.ts";

/** So short that nobody waits long for the next one. */
const PERIOD_US = 20_000;
const CGROUPS = "/sys/fs/cgroup";

/**
 * Leaves all that this process has started so far so much of a core together, with what they start
 * themselves. So one machine can ask for many times more than the system on it can do.
 * @param cores above 0
 * @throws Error where that can't be done: it takes Linux, and root
 */
export async function shareCpu(cores: number): Promise<Part> {
  const { top, limit } = await findCgroups().catch((cause: unknown) => {
    throw new Error("--cores needs Linux's control groups, and to be root", { cause });
  });
  const group = join(top, `holdfast-bench-${process.pid}`);
  await mkdir(group);
  const [, ...started] = await treeOf(process.pid);
  await limit(group, Math.round(cores * PERIOD_US));
  await moveTo(group, started);
  return {
    stop: async () => {
      const [, ...left] = await treeOf(process.pid);
      await moveTo(top, left);
      await rmdir(group);
    },
  };
}

type Cgroups = { top: string; limit: (group: string, quota_us: number) => Promise<void> };

async function findCgroups(): Promise<Cgroups> {
  const first = join(CGROUPS, "cpu");
  if (existsSync(join(first, "cpu.cfs_quota_us"))) {
    return {
      top: first,
      limit: async (group, quota_us) => {
        await writeFile(join(group, "cpu.cfs_period_us"), `${PERIOD_US}`);
        await writeFile(join(group, "cpu.cfs_quota_us"), `${quota_us}`);
      },
    };
  }
  await writeFile(join(CGROUPS, "cgroup.subtree_control"), "+cpu");
  return {
    top: CGROUPS,
    limit: (group, quota_us) => writeFile(join(group, "cpu.max"), `${quota_us} ${PERIOD_US}`),
  };
}

async function moveTo(group: string, pids: number[]): Promise<void> {
  for (const pid of pids) {
    // One may just have ended.
    await writeFile(join(group, "cgroup.procs"), `${pid}`).catch(() => {});
  }
}
