import "../src/node-version.ts";
import { runInBackground } from "./background.ts";
import { describeStack } from "./banner.ts";
import { claimData, releaseData } from "./claim.ts";
import { refuseTakenPorts } from "./ports.ts";
import { reportAndExit, say } from "./say.ts";
import { bringUp } from "./stack.ts";
import { readStackConfig, type StackConfig, stackUrls } from "./stack-config.ts";
import { type Claim, createRegister, stackFiles } from "./stack-files.ts";
import { onStopSignal } from "./stop-signal.ts";
import { createSupervisor } from "./supervise.ts";

const USAGE = `Usage: ./scripts/up [--detach]

Starts Redis, Postgres, the API and the worker, and stops them in order on Ctrl-C.
  --detach   return when everything is ready; ./scripts/down stops it
`;

// Data → ports → servers and processes → ready → wait → stop.
async function up(config: StackConfig, logTo: "TERMINAL" | "FILES"): Promise<void> {
  const files = stackFiles(config);
  let claim: Claim | undefined;
  const stopSignal = onStopSignal(() => {
    if (claim !== undefined) releaseData(files, claim);
  });
  claim = await claimData(files);
  const register = createRegister(
    files,
    { ...stackUrls(config), DEFAULT_STORE: config.DEFAULT_STORE },
    claim,
  );
  const supervisor = createSupervisor({ say, onStarted: register.note });

  async function runUntilFailure(): Promise<never> {
    await refuseTakenPorts(config);
    await bringUp({ config, files, supervisor, logTo });
    register.announce();
    process.stdout.write(describeStack(config, files, "Ctrl-C stops it."));
    return supervisor.failed;
  }

  try {
    await Promise.race([runUntilFailure(), supervisor.failed, stopSignal]);
    say("stopping (once more to kill everything at once) ...");
  } finally {
    await supervisor.stop();
    releaseData(files, claim);
  }
  say("stopped");
}

async function main(args: string[]): Promise<void> {
  // biome-ignore lint/style/noProcessEnv: stack-config.ts reads it
  const config = () => readStackConfig(process.env);
  switch (args.join(" ")) {
    case "":
      return up(config(), "TERMINAL");
    case "--detach":
      return runInBackground(config());
    // What --detach starts. Nobody types this.
    case "--background":
      return up(config(), "FILES");
    default:
      process.stderr.write(USAGE);
      return process.exit(args.join(" ") === "--help" ? 0 : 2);
  }
}

// Exits by itself: a part that was still coming up may keep timers of its own.
main(process.argv.slice(2)).then(() => process.exit(0), reportAndExit);
