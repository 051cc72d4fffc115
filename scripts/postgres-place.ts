import { existsSync } from "node:fs";
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readdir,
  readlink,
  realpath,
  rm,
  stat,
  symlink,
} from "node:fs/promises";
import { join } from "node:path";
import { nativePostgres, readableBinaries } from "./postgres-binaries.ts";
import { must, run, type User } from "./run.ts";

/** Where a Postgres can run: its programs, a directory it may write, and as whom (undefined: as us). */
export type PostgresPlace = {
  binDir: string;
  home: string;
  user: User | undefined;
};

/** What root keeps for servers that run as somebody else. */
const SYSTEM_DIR = "/var/lib/holdfast";

/**
 * Prepares `dir` as the home of a Postgres. Postgres refuses to run as root, so root runs it as the
 * owner of the data, and new data belongs to `nobody`. When that user cannot read the programs or
 * enter `dir` (a clone below /root), they are put below /var/lib/holdfast, and `dir` becomes a link
 * to its data: removing `dir` always starts afresh.
 */
export async function preparePlace(dir: string): Promise<PostgresPlace> {
  const native = await nativePostgres();
  await makeHome(dir);
  const home = await realpath(dir);
  if (process.getuid?.() !== 0) {
    await refuseForeignData(dir, home);
    return { binDir: join(native.dir, "bin"), home, user: undefined };
  }
  const user = await ownerOf(home);
  return {
    binDir: await readableBinaries(native, user, SYSTEM_DIR),
    home: (await mayWrite(home, user)) ? home : await moveAway(dir, home, user),
    user,
  };
}

async function makeHome(dir: string): Promise<void> {
  const link = await readlink(dir).catch(() => undefined);
  const dangling = link !== undefined && !existsSync(dir);
  if (dangling) await rm(dir);
  await mkdir(dir, { recursive: true, mode: 0o700 });
}

async function refuseForeignData(dir: string, home: string): Promise<void> {
  const owner = (await stat(home)).uid;
  if (owner === process.getuid?.()) return;
  throw new Error(
    `${dir} belongs to user ${owner}, probably because root started it first: ` +
      "start it as root again, or choose another directory with HOLDFAST_DATA",
  );
}

// Data that belongs to root was just made, or brought here by root: both are given to nobody.
async function ownerOf(home: string): Promise<User> {
  const owner = await stat(home);
  if (owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  const user = { uid: await idOfNobody("-u"), gid: await idOfNobody("-g") };
  const cluster = join(home, "cluster");
  if (existsSync(cluster)) await must("chown", ["-R", `${user.uid}:${user.gid}`, cluster]);
  await chown(home, user.uid, user.gid);
  return user;
}

async function idOfNobody(flag: "-u" | "-g"): Promise<number> {
  return Number(await must("id", [flag, "nobody"])) >>> 0;
}

// Asked of the system and not worked out from modes: only it knows every directory above and ACLs.
async function mayWrite(home: string, user: User): Promise<boolean> {
  return (await run("/bin/sh", ["-c", 'cd "$1" && test -w .', "sh", home], { user })).ok;
}

async function moveAway(dir: string, home: string, user: User): Promise<string> {
  await makeSystemDir();
  const away = await mkdtemp(join(SYSTEM_DIR, "postgres-"));
  await chown(away, user.uid, user.gid);
  for (const name of await readdir(home)) await must("mv", [join(home, name), away]);
  await rm(dir, { recursive: true });
  await symlink(away, dir);
  return away;
}

async function makeSystemDir(): Promise<void> {
  await mkdir(SYSTEM_DIR, { recursive: true });
  // Said once more, because root's umask may be 077.
  await chmod(SYSTEM_DIR, 0o755);
}
