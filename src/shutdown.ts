import cluster from "node:cluster";
import type { Log } from "./log.ts";

/** A little more than the 10 s in which requests and batches may finish. */
const SHUTDOWN_MS_MAX = 11_000;

/**
 * Runs `closers` in order at SIGTERM or SIGINT, then exits. A second signal, or a shutdown that hangs, exits
 * at once. One of several processes stops also when the primary is gone. A bug nobody caught is logged and
 * ends the process too: its state can't be trusted any more.
 */
export function stopOnSignals(log: Log, closers: (() => Promise<void>)[]): void {
  let stopping = false;

  async function stop(cause: string) {
    if (stopping) {
      // Ctrl-C reaches all processes, and the primary hands it on: for those it leads, that is one signal.
      if (cluster.isWorker) return;
      process.exit(1);
    }
    stopping = true;
    log.info({ cause }, "stopping");
    setTimeout(() => {
      log.error("could not stop in time, exiting anyway");
      process.exit(1);
    }, SHUTDOWN_MS_MAX).unref();
    for (const close of closers) {
      await close().catch((err: unknown) => log.error({ err }, "a part did not close cleanly"));
    }
    log.info("stopped");
    process.exit(0);
  }

  process.on("SIGTERM", (signal) => void stop(signal));
  process.on("SIGINT", (signal) => void stop(signal));
  const { worker } = cluster;
  worker?.on("error", () => {}); // nobody listens any more; "disconnect" follows
  worker?.once("disconnect", () => {
    // Else Node ends this process here and now, in the middle of its requests.
    worker.exitedAfterDisconnect = true;
    void stop("the primary is gone");
  });
  process.on("uncaughtException", (err) => {
    log.fatal({ err }, "a bug, exiting");
    process.exit(1);
  });
}

/** Ends a process that can't start: the reason in a line, for whoever started it, and status 1. */
export function exitWithReason(error: unknown): never {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
