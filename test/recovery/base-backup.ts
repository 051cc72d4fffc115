import { execFile } from "node:child_process";
import { chown, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { query } from "../worker/query.ts";

const run = promisify(execFile);
// What a backup of a running server leaves out, by Postgres's own documentation.
const LEFT_OUT = ["postmaster.pid", "postmaster.opts"];

/**
 * A backup of a Postgres that goes on working, by its low-level API: what pg_basebackup does, which the tests
 * don't have.
 * @param dir where it goes to; it must not be there
 * @param meanwhile what happens while the files are copied
 */
export async function backUp(url: string, dir: string, meanwhile: () => Promise<void>) {
  const data = await dataDirOf(url);
  const session = new pg.Client({ connectionString: url });
  await session.connect();
  try {
    await session.query("select pg_backup_start('rehearsal', fast => true)");
    // Files that change while they are copied are mended by the log; those that go away meanwhile are told by
    // cp's exit code, and are none that count.
    await run("cp", ["-Rp", data, dir]).catch(() => {});
    await meanwhile();
    const { rows } = await session.query<{ labelfile: string }>("select * from pg_backup_stop()");
    await run("cp", ["-Rp", join(data, "pg_wal"), dir]);
    const label = join(dir, "backup_label");
    await writeFile(label, rows[0]?.labelfile ?? "");
    const { uid, gid } = await stat(data);
    await chown(label, uid, gid); // for a Postgres that runs as somebody else than we
    for (const name of LEFT_OUT) await run("rm", ["-f", join(dir, name)]);
  } finally {
    await session.end();
  }
  return {
    /** Puts the backup in the place of what a server that is stopped now had. */
    restore: async () => {
      await run("rm", ["-rf", data]);
      await run("cp", ["-Rp", dir, data]);
    },
  };
}

async function dataDirOf(url: string): Promise<string> {
  const [row] = await query<{ data_directory: string }>(url, "show data_directory");
  if (!row) throw new Error("Postgres does not say where its data are.");
  return row.data_directory;
}
