import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "@jest/globals";
import {
  cancelRequest,
  confirmRequest,
  createRequest,
  expireRequest,
  type ScriptSide,
} from "../lua/script-side.ts";
import { changeRequest, purchaseRequest, transferRequest } from "../lua/stock-requests.ts";
import { appendFile } from "../recovery/aof.ts";
import { emptyRedis } from "../setup/empty-redis.ts";
import { freshDir } from "../setup/stack.ts";

const SERVER = "redis-server";
const LANES = 2;
const LOOK_MS = 3;

/** How long the file was after a script, and what Redis had by then. */
type Step = { size: number; digest: string };
export type Written = { dir: string; name: string; bytes: Buffer; steps: Step[] };

/** Calls each script that writes, one after the other, and keeps the file and what it meant at each step. */
export async function writeFileOf(side: ScriptSide): Promise<Written> {
  const { redis } = side;
  await emptyRedis(redis);
  await redis.mset("stock:phone", "20", "stock:cup", "20");
  const lines = [
    { sku: "phone", quantity: 1 },
    { sku: "cup", quantity: 2 },
  ];
  const due = await side.dueHold();
  const one = { hold_id: "H-1", lines };
  const two = { hold_id: "H-2", lines };
  const calls = [
    () => side.call("transfer_stock", transferRequest({ lines: [{ sku: "cup", quantity: 1 }] })),
    () => side.call("create_holds", createRequest(one), createRequest(two)),
    () => side.call("cancel_holds", cancelRequest({ ...two, idem: "k" })),
    () => side.call("expire_holds", expireRequest(due)),
    () => side.call("change_stocks", changeRequest({ units: 3 })),
    () => side.call("create_purchases", purchaseRequest({ stores_seen: 1 })),
    () => side.call("confirm_holds", confirmRequest({ ...one, idem: "k" })),
  ];
  const file = await appendFile(redis);
  const look = async (): Promise<Step> => ({
    size: await file.size(),
    digest: String(await redis.call("DEBUG", "DIGEST")),
  });
  const steps = [await look()];
  for (const call of calls) {
    const { tuples } = await call();
    for (const [word] of tuples) expect(word).toMatch(/ED$/);
    steps.push(await look());
  }
  expect(new Set(steps.map(({ digest }) => digest)).size).toBe(steps.length);
  return { dir: file.dir, name: file.name, bytes: await file.read(), steps };
}

/**
 * Starts a Redis on the file cut off at each of the sizes. Returns a sentence for each at which it has
 * something else than after the last script that was whole by then.
 */
export async function startOnCuts(written: Written, sizes: number[]): Promise<string[]> {
  const place = await freshDir();
  const wrong: string[] = [];
  const left = [...sizes];
  async function lane(number: number) {
    const dir = join(place.dir, `lane-${number}`);
    await mkdir(dir);
    await cp(written.dir, join(dir, "appendonlydir"), { recursive: true });
    for (let size = left.pop(); size !== undefined; size = left.pop()) {
      const cut = written.bytes.subarray(0, size);
      await writeFile(join(dir, "appendonlydir", written.name), cut);
      const found = await digestOf(dir);
      const expected = written.steps.findLast((step) => step.size <= (size ?? 0))?.digest;
      if (found !== expected) wrong.push(`cut at byte ${size}: it has ${found}, not ${expected}`);
    }
  }
  try {
    await Promise.all(Array.from({ length: LANES }, (_, i) => lane(i)));
  } finally {
    await place.close();
  }
  return wrong;
}

// On a socket, without a word in a log: in a few milliseconds, as there are thousands of cuts.
async function digestOf(dir: string): Promise<string> {
  const path = join(dir, "redis.sock");
  const own = ["--port", "0", "--unixsocket", path, "--dir", dir, "--logfile", "redis.log"];
  const files = ["--appendonly", "yes", "--aof-load-truncated", "yes", "--save", ""];
  const child = spawn(SERVER, [...own, ...files, "--enable-debug-command", "yes"], {
    stdio: "ignore",
  });
  const ended = once(child, "exit");
  try {
    for (;;) {
      const reply = await askOnce(path);
      const digest = /^:\d+\r\n\+(\w+)/.exec(reply)?.[1];
      if (digest !== undefined) return digest;
      if (child.exitCode !== null) return `nothing, it ended with ${child.exitCode}`;
      await sleep(LOOK_MS);
    }
  } finally {
    child.kill("SIGKILL");
    await ended;
    await rm(path, { force: true });
  }
}

/** The replies to EXISTS, an error while Redis loads, and to DEBUG DIGEST; "" when nobody listens. */
function askOnce(path: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(path);
    let replies = "";
    socket.setEncoding("utf8");
    socket.on("connect", () => socket.write("EXISTS any\r\nDEBUG DIGEST\r\n"));
    socket.on("data", (text) => {
      replies += text;
      if (replies.split("\r\n").length < 3) return;
      socket.destroy();
      resolve(replies);
    });
    socket.on("error", () => socket.destroy());
    socket.on("close", () => resolve(""));
  });
}
