import { execFile } from "node:child_process";

/** Ids as the system prints them. macOS knows `nobody` as -2, that is 4294967294. */
export type User = { uid: number; gid: number };
export type Outcome = { ok: boolean; stdout: string; stderr: string };

/** Runs a command to its end, as ourselves or as `user`. A failure is an answer: `ok` is false. */
export function run(
  command: string,
  args: string[],
  options: {
    user?: User | undefined;
    cwd?: string;
    env?: NodeJS.ProcessEnv;
    msMax?: number;
  } = {},
): Promise<Outcome> {
  // "/" because `user` may not be allowed to stay where we are.
  const { user, cwd = "/", env, msMax = 60_000 } = options;
  return new Promise((resolve) => {
    execFile(
      command,
      args,
      {
        cwd,
        timeout: msMax,
        ...(env === undefined ? {} : { env }),
        ...identity(user),
      },
      (error, stdout, stderr) =>
        resolve({
          ok: error === null,
          stdout,
          stderr: stderr.trim() || (error?.message ?? ""),
        }),
    );
  });
}

/** Like `run`, but a failure is thrown. Returns what the command printed. */
export async function must(command: string, args: string[]): Promise<string> {
  const outcome = await run(command, args);
  if (!outcome.ok) throw new Error(`${command} ${args.join(" ")}: ${outcome.stderr}`);
  return outcome.stdout.trim();
}

/** The options that make Node start a process as `user`; Node takes ids as signed numbers. */
export function identity(user: User | undefined): Partial<User> {
  return user === undefined ? {} : { uid: user.uid | 0, gid: user.gid | 0 };
}
