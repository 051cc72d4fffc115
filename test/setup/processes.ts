import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { freePort } from "../../scripts/free-port.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

/** What every process gets: what others have compiled, too. */
export const inherited = () => ({
  PATH: process.env.PATH,
  HOME: process.env.HOME,
  NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
  STOP_NOTICE_MS: "0", // no balancer is there to notice
});

type Env = { REDIS_URL: string; DATABASE_URL: string } & Record<string, string>;

/**
 * The API as a process of its own, started as scripts/up does. Resolves when it is ready.
 * @param root where another version of the project lies
 */
export const spawnApi = (env: Env, root?: string) => spawnReady("src/main.ts", "PORT", env, root);

/** The worker likewise. */
export const spawnWorker = (env: Env, root?: string) =>
  spawnReady("worker/main.ts", "WORKER_PORT", env, root);

export type TestProcess = Awaited<ReturnType<typeof spawnReady>>;

async function spawnReady(
  file: string,
  portName: string,
  env: Record<string, string>,
  root: string = ROOT,
) {
  const port = env[portName] ?? String(await freePort());
  let output = "";
  const child: ChildProcess = spawn(process.execPath, [file], {
    cwd: root,
    env: { ...inherited(), ...env, [portName]: port },
    stdio: ["ignore", "pipe", "pipe"],
  });
  child.stdout?.on("data", (chunk) => {
    output += chunk;
  });
  child.stderr?.on("data", (chunk) => {
    output += chunk;
  });
  const ended = once(child, "exit");
  const allEnded = once(child, "close");
  const url = `http://127.0.0.1:${port}`;

  async function kill(signal: NodeJS.Signals = "SIGKILL") {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await ended;
  }

  const deadline = Date.now() + 45_000; // a machine may be busy with other tests
  for (;;) {
    const ready = await fetch(`${url}/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (ready) break;
    if (child.exitCode !== null || Date.now() > deadline) {
      await kill();
      throw new Error(`${file} did not become ready:\n${output}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    url,
    /** Of a process that was asked to stop: its exit code. */
    ended,
    /** Resolves when it has ended, and everything it has started: they share its output. */
    allEnded,
    signal: (signal: NodeJS.Signals) => child.kill(signal),
    /** Sends the signal and waits for the end. */
    kill,
    /** Everything it has written. */
    output: () => output,
    pid: child.pid,
  };
}
