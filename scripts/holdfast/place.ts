import { join } from "node:path";
import { z } from "zod";
import { readUpConfig } from "../../src/config.ts";
import { readEnvFile } from "../env-file.ts";
import { REPO_DIR, stackFiles } from "../stack-files.ts";

/** Where the command finds Holdfast, and who it is there. */
export type Place = {
  url: string;
  /** The worker's port; undefined when nobody has said where it is. */
  worker_url: string | undefined;
  token: string | undefined;
  /** Whether this is what `up` starts here: then a command of this machine can mend it. */
  is_local: boolean;
};

export type Given = {
  url?: string | undefined;
  workerUrl?: string | undefined;
  token?: string | undefined;
};

const settings = z.object({
  HOLDFAST_URL: z.string().optional(),
  HOLDFAST_WORKER_URL: z.string().optional(),
  HOLDFAST_TOKEN: z.string().optional(),
});

/**
 * What is given on the line, then the environment, then the stack that runs here, then the ports that it
 * would have.
 * @param env an empty variable is none
 */
export function findPlace(given: Given, env: NodeJS.ProcessEnv): Place {
  const file = readEnvFile(join(REPO_DIR, ".env"));
  const set = Object.fromEntries(Object.entries(env).filter(([, value]) => value?.trim()));
  const { HOLDFAST_URL, HOLDFAST_WORKER_URL, HOLDFAST_TOKEN } = settings.parse(set);
  const config = readUpConfig({ ...file, ...set });
  const running = readEnvFile(stackFiles(config).env);

  const told = given.url ?? HOLDFAST_URL;
  const local_url = running.API_URL ?? `http://127.0.0.1:${config.PORT}`;
  const url = (told ?? local_url).replace(/\/+$/, "");
  const is_local = told === undefined || url === local_url;
  const local_worker = running.WORKER_URL ?? `http://127.0.0.1:${config.WORKER_PORT}`;
  return {
    url,
    worker_url: given.workerUrl ?? HOLDFAST_WORKER_URL ?? (is_local ? local_worker : undefined),
    token: given.token ?? HOLDFAST_TOKEN,
    is_local,
  };
}
