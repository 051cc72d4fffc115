import { sweepRun } from "./sweep.ts";

/** After all tests: stops the shared Postgres and every server that a failed test left behind. */
export default async function stop(): Promise<void> {
  const dir = process.env.TEST_DIR;
  if (dir !== undefined) await sweepRun(dir);
}
