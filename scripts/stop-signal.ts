import { signalAllChildren } from "./child.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Resolves at the first signal to stop. The second one kills every child and ends us there and then. */
export function onStopSignal(beforeKilled: () => void): Promise<void> {
  return new Promise((resolve) => {
    let asked = false;
    const stop = () => {
      if (asked) {
        signalAllChildren("SIGKILL");
        beforeKilled();
        process.exit(130);
      }
      asked = true;
      resolve();
    };
    for (const signal of SIGNALS) process.on(signal, stop);
  });
}
