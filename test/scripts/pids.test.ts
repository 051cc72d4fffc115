import { afterEach, expect, test } from "@jest/globals";
import { type Child, startChild } from "../../scripts/child.ts";
import { isRunning, startOf, stopByPid, stopProcess } from "../../scripts/pids.ts";
import { until } from "../../scripts/until.ts";

const children: Child[] = [];

afterEach(async () => {
  for (const child of children) await child.stop("SIGKILL", 5_000);
});

test("a process keeps its start, and has none once it has ended", async () => {
  const child = await sleeper();
  const started = await startOf(child.pid);
  expect(started).toMatch(/\d/);
  expect(await startOf(child.pid)).toBe(started);
  await child.stop("SIGKILL", 5_000);
  expect(await startOf(child.pid)).toBeUndefined();
});

test("a process is stopped when its mark fits and left alone when not", async () => {
  const child = await sleeper();
  expect(await stopByPid(child.pid, "redis-server", "SIGTERM", 5_000)).toBe(false);
  expect(child.hasExited()).toBe(false);
  expect(await stopByPid(child.pid, "sleep", "SIGTERM", 5_000)).toBe(true);
  expect(await child.exited).toBe("SIGTERM");
  expect(await stopByPid(child.pid, "sleep", "SIGTERM", 5_000)).toBe(false);
});

test("a process that has the pid but started at another time is left alone", async () => {
  const { pid, hasExited } = await sleeper();
  expect(await stopProcess({ pid, started: "long ago" }, "SIGKILL", 5_000)).toBe(false);
  expect(hasExited()).toBe(false);
  expect(await isRunning(pid, "sleep")).toBe(true);
});

test("a process that does not hear the signal is killed", async () => {
  // What a shell ignores, the program it becomes ignores too.
  const child = await startChild({
    command: "/bin/sh",
    args: ["-c", 'trap "" TERM; exec sleep 600'],
    cwd: "/",
  });
  children.push(child);
  const { pid } = child;
  await until("it is deaf", async () => ((await isRunning(pid, "trap")) ? undefined : true));
  expect(await stopByPid(pid, "sleep", "SIGTERM", 100)).toBe(true);
  expect(await child.exited).toBe("SIGKILL");
});

test("a process that ends between the look and the signal counts as stopped", async () => {
  const child = await sleeper();
  const { pid } = child;
  const started = (await startOf(pid)) ?? "";
  const kill = process.kill;
  process.kill = (target, signal) => {
    process.kill = kill;
    kill(target, "SIGKILL");
    throw Object.assign(new Error(`kill ESRCH ${signal}`), { code: "ESRCH" });
  };
  try {
    expect(await stopProcess({ pid, started }, "SIGTERM", 5_000)).toBe(true);
  } finally {
    process.kill = kill;
  }
});

async function sleeper(): Promise<Child> {
  const child = await startChild({ command: "sleep", args: ["600"], cwd: "/" });
  children.push(child);
  return child;
}
