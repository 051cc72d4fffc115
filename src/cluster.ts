import cluster, { type Worker } from "node:cluster";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "./log.ts";

const REPLACE_MS = 100;
const REPLACE_MS_MAX = 10_000;
/** A process that lived this long did not die of what ended the one before it. */
const STEADY_MS = 30_000;

/**
 * Runs this program `count` times more, as processes that share the port they listen on, and replaces one
 * that dies: after 100 ms, and after twice as long each time, up to 10 s, while they die young. Resolves when
 * the first one listens. When that one can't start, it has said why, and this process ends as it did.
 */
export async function startProcesses(count: number, log: Log) {
  const running = new Set<ReturnType<typeof start>>();
  let stopping = false;

  // This process accepts all connections and deals them out in turn. Left to the kernel, they'd be shared
  // unevenly (64 by four: 28, 24, 11, 1), and the port would stay taken until the last process is gone.
  cluster.schedulingPolicy = cluster.SCHED_RR;
  process.once("exit", () => signalAll("SIGKILL"));

  const first = start();
  const listens = once(first.worker, "listening").then(() => true);
  if (!(await Promise.race([listens, first.ended.then(() => false)]))) {
    process.exit(first.worker.process.exitCode ?? 1);
  }
  void keepOne(first);
  for (let i = 1; i < count; i++) void keepOne(start());

  return {
    /** Lets every process finish what it has begun. Resolves when the last one has ended. */
    async stop(): Promise<void> {
      stopping = true;
      signalAll("SIGTERM");
      await Promise.all([...running].map(({ ended }) => ended));
    },
  };

  async function keepOne(current: ReturnType<typeof start>): Promise<void> {
    for (let deaths = 0; ; deaths++) {
      const { cause, lived_ms } = await current.ended;
      if (stopping) return;
      if (lived_ms > STEADY_MS) deaths = 0;
      const wait_ms = Math.min(REPLACE_MS * 2 ** deaths, REPLACE_MS_MAX);
      const { pid } = current.worker.process;
      log.error({ died_pid: pid, cause, wait_ms }, "an API process died and is replaced");
      await sleep(wait_ms);
      if (stopping) return;
      current = start();
    }
  }

  function start() {
    const worker = cluster.fork();
    closeWhatIsLost(worker);
    const started = performance.now();
    const ended = new Promise<{ cause: string; lived_ms: number }>((resolve) => {
      const end = (cause: string) => {
        running.delete(child);
        resolve({ cause, lived_ms: performance.now() - started });
      };
      worker.once("exit", (code, signal) => end(signal ?? `exit code ${code}`));
      worker.on("error", (err) => {
        // What can't be told to one that has just died needs no words: its exit follows. Only a process that
        // could not be started at all has none.
        if (worker.process.pid === undefined) end(err.message);
      });
    });
    const child = { worker, ended };
    running.add(child);
    return child;
  }

  function signalAll(signal: NodeJS.Signals) {
    for (const { worker } of running) worker.process.kill(signal);
  }
}

// Node forgets a connection that was on its way to a process that died: its client would wait for ever, and
// its descriptor would stay open.
function closeWhatIsLost(worker: Worker): void {
  let passed: { close(): void } | undefined;
  const { send } = worker.process;
  Object.assign(worker.process, {
    send(...args: Parameters<typeof send>) {
      const [, handle] = args;
      if (handle && "close" in handle) passed = handle;
      return send.apply(worker.process, args);
    },
  });
  worker.once("exit", () => {
    worker.disconnect(); // so that it is passed no more
    passed?.close(); // for what has arrived elsewhere, this closes only our end
  });
}
