import { chmod, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeEach, expect, test } from "@jest/globals";
import { type Outcome, run } from "../../scripts/run.ts";
import { REPO_DIR } from "../../scripts/stack-files.ts";
import { freshDir } from "../setup/stack.ts";

// A machine is what its PATH holds: commands that note how they were called.
const places: Awaited<ReturnType<typeof freshDir>>[] = [];
let bin: string;
let calls: string;

beforeEach(async () => {
  const place = await freshDir();
  places.push(place);
  bin = join(place.dir, "bin");
  calls = join(place.dir, "calls");
  await mkdir(bin);
  await writeFile(calls, "");
  await symlink("/usr/bin/env", join(bin, "env"));
});

afterAll(async () => {
  for (const place of places) await place.close();
});

test("a redis-server that is there is used, and nothing is installed", async () => {
  await command("redis-server", "echo 'Redis server v=7.0.0 sha=00000000:0'");
  await command("apt-get", note("apt-get"));
  expect(await ensure()).toMatchObject({ ok: true, stdout: "" });
  expect(await noted()).toEqual([]);
});

test("one that is too old is refused in one line, as the system's packages would bring it again", async () => {
  await command("redis-server", "echo 'Redis server v=6.2.14 sha=00000000:0'");
  const { ok, stderr } = await ensure();
  expect(ok).toBe(false);
  expect(stderr).toMatch(/^redis-server 6\.2\.14 is too old, 7\.0 is needed: .*$/);
});

test("apt-get installs it, after an update where its lists are stale, and leaves no service running", async () => {
  await command("sudo", '[ "$1" = -n ] && shift; [ "$1" = true ] || exec "$@"');
  await command("systemctl", note("service"));
  await command("service", note("service"));
  const found = join(bin, "redis-server");
  await command(
    "apt-get",
    `${note("apt-get")}
case "$*" in
  *--version*) ;;
  *update*) echo updated >${calls}.updated ;;
  *) [ -f ${calls}.updated ] || { echo "E: Unable to locate package" >&2; exit 100; }
     echo "#!/bin/sh\necho Redis server v=7.0.15" >${found}; /bin/chmod 755 ${found} ;;
esac`,
  );
  expect(await ensure()).toMatchObject({ ok: true, stdout: expect.stringContaining("Installing") });
  expect((await noted()).filter((line) => !line.includes("--version"))).toEqual([
    "apt-get noninteractive install -y -qq --no-install-recommends redis-server",
    "apt-get noninteractive update -qq",
    "apt-get noninteractive install -y -qq --no-install-recommends redis-server",
    expect.stringMatching(/^service .*redis-server/),
  ]);
});

test("where nothing can install it, one line says what to install", async () => {
  const { ok, stderr } = await ensure();
  expect(ok).toBe(false);
  expect(stderr).toMatch(/^redis-server is missing: apt-get install redis-server.*REDIS_URL.*$/);
});

async function command(name: string, script: string): Promise<void> {
  await writeFile(join(bin, name), `#!/bin/sh\n${script}\n`);
  await chmod(join(bin, name), 0o755);
}

function note(name: string): string {
  return `echo "${name} $DEBIAN_FRONTEND $*" >>${calls}`;
}

async function noted(): Promise<string[]> {
  return (await readFile(calls, "utf8")).split("\n").filter((line) => line !== "");
}

function ensure(): Promise<Outcome> {
  const program = `
    import { ensureRedisServer } from ${JSON.stringify(join(REPO_DIR, "scripts", "install-redis.ts"))};
    ensureRedisServer(console.log).catch((error) => {
      console.error(error.message);
      process.exit(1);
    });`;
  return run(process.execPath, ["--input-type=module", "-e", program], { env: { PATH: bin } });
}
