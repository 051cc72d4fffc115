import { execFile } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { delimiter, dirname, join, relative } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { parse } from "yaml";
import { z } from "zod";
import { startChild } from "../scripts/child.ts";
import { freePort } from "../scripts/free-port.ts";
import { until } from "../scripts/until.ts";
import {
  type Compose,
  composeShape,
  environmentOf,
  findFaults,
  type Service,
} from "./compose-faults.ts";
import { admitAt } from "./setup/admit-at.ts";
import { freshDatabase, freshDir, freshRedis } from "./setup/stack.ts";

const ROOT = new URL("../", import.meta.url).pathname;
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");

// YAML 1.1 is what Compose's parsers speak: there an unquoted `no` is false and 22:22 is a number.
const document: unknown = parse(read("docker-compose.yml"), { version: "1.1" });

test("docker-compose.yml has no faults", () => {
  expect(findFaults(document)).toEqual([]);
});

describe("a fault is found:", () => {
  const cases: [string, (compose: Compose) => void, string | RegExp][] = [
    [
      "a member that Compose doesn't know",
      (c) => set(c, "api", { restarts: "always" }),
      /additional prop/,
    ],
    [
      "an unquoted `no` where text belongs",
      (c) => set(c, "redis", { command: [false] }),
      /Specification/,
    ],
    [
      "a variable that nothing reads",
      (c) => setEnv(c, "api", { NODE_ENV: "x" }),
      "api: nothing reads NODE_ENV",
    ],
    [
      "a setting that .env has and the process does not get",
      (c) => delete c.services.worker?.environment.EXPIRY_JITTER_MS,
      "worker: EXPIRY_JITTER_MS of .env is not handed on",
    ],
    [
      "a bad value",
      (c) => setEnv(c, "worker", { QUEUE_MAX: 0 }),
      /^worker: ConfigError: .*QUEUE_MAX/s,
    ],
    [
      "a required variable that is missing",
      (c) => setEnv(c, "api", { REDIS_URL: null }),
      /REDIS_URL/,
    ],
    [
      "an address of nobody",
      (c) => setEnv(c, "migrate", { DATABASE_URL: "postgres://db/x" }),
      "migrate: postgres://db/x leads to no service",
    ],
    [
      "a file that is not there",
      (c) => set(c, "api", { volumes: ["./src:/app/src:ro", "./lib:/app/lib:ro"] }),
      "api: ./lib is not there",
    ],
    [
      "code that is not mounted",
      (c) => set(c, "worker", { volumes: ["./src:/app/src:ro"] }),
      "worker: worker/main.ts is not mounted",
    ],
    [
      "a wait for a check that is not there",
      (c) => set(c, "redis", { healthcheck: undefined }),
      "api: redis has no healthcheck",
    ],
    [
      "a wait for the end of what never ends",
      (c) => set(c, "migrate", { restart: "always" }),
      /^worker: waits for migrate/,
    ],
    [
      "a port open to the network",
      (c) => set(c, "postgres", { ports: ["5432:5432"] }),
      /^postgres: 5432:5432 is not/,
    ],
    ["a check of another port", (c) => setEnv(c, "api", { PORT: 80 }), "api: 80 is not checked"],
    [
      "too little time to stop",
      (c) => set(c, "worker", { stop_grace_period: "11s" }),
      /^worker: it is killed/,
    ],
    [
      "a less durable Redis",
      (c) => set(c, "redis", { command: ["redis-server", "--appendonly", "yes"] }),
      /^redis: scripts/,
    ],
  ];

  test.each(cases)("%s", (_, breakIt, fault) => {
    const broken = composeShape.parse(structuredClone(document));
    breakIt(broken);
    const found = findFaults(JSON.parse(JSON.stringify(broken)));
    expect(found).toContainEqual(typeof fault === "string" ? fault : expect.stringMatching(fault));
  });

  function set({ services }: Compose, name: string, members: object) {
    Object.assign(services[name] ?? {}, members);
  }

  function setEnv({ services }: Compose, name: string, members: object) {
    Object.assign(services[name]?.environment ?? {}, members);
  }
});

describe("with nothing but what is mounted and the production packages", () => {
  let place: Awaited<ReturnType<typeof freshDir>>;
  let servers: Awaited<ReturnType<typeof freshRedis> | ReturnType<typeof freshDatabase>>[];
  const { services } = composeShape.parse(document);

  beforeAll(async () => {
    place = await freshDir();
    const redis = await freshRedis();
    servers = [redis, await freshDatabase()];
    await admitAt(redis.url); // each service is started alone
  });
  afterAll(async () => {
    for (const server of servers ?? []) await server.close();
    await place?.close();
  });

  test("migrate succeeds", async () => {
    const { child } = await startService("migrate");
    expect([await child.exited, await child.lastLines()]).toEqual([
      "exit code 0",
      expect.stringContaining("up to date"),
    ]);
  });

  test.each(["api", "worker"])("%s becomes healthy and stops at SIGTERM", async (name) => {
    const { child, port } = await startService(name);
    const [, program = "", ...check] = services[name]?.healthcheck?.test ?? [];
    const checkOurPort = check.map((arg) => arg.replace(":8080/", `:${port}/`));
    try {
      await until(`${name} is healthy`, async () => {
        if (child.hasExited()) throw new Error(await child.lastLines());
        return await run(program, checkOurPort).then(
          () => true,
          () => undefined,
        );
      });
      child.kill("SIGTERM");
      expect(await child.exited).toBe("exit code 0");
    } finally {
      await child.stop("SIGKILL", 0);
    }
  });

  const run = promisify(execFile);

  /** Runs the service's own command as this file has it, on a port and servers of ours. */
  async function startService(name: string) {
    const service = services[name];
    if (!service) throw new Error(`There is no ${name}`);
    const dir = join(place.dir, name);
    layOut(service, dir);
    const port = `${await freePort()}`;
    const [redis, database] = servers;
    const [command = "", ...args] = service.command;
    const child = await startChild({
      command,
      args,
      cwd: dir,
      env: {
        ...environmentOf(service),
        PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}`,
        HOST: "127.0.0.1",
        REDIS_URL: redis?.url,
        DATABASE_URL: database?.url,
        PORT: port,
        WORKER_PORT: port,
      },
      logFile: `${dir}.log`,
    });
    return { child, port };
  }

  /** Puts into `dir` what the service finds in its working directory. */
  function layOut({ volumes }: Service, dir: string) {
    mkdirSync(join(dir, "node_modules"), { recursive: true });
    for (const [source = "", target = ""] of volumes.map((volume) => volume.split(":"))) {
      if (!source.startsWith("./")) continue;
      cpSync(join(ROOT, source), join(dir, relative("/app", target)), { recursive: true });
    }
    const packages = z.object({ dependencies: z.record(z.string(), z.string()) });
    for (const name of Object.keys(packages.parse(JSON.parse(read("package.json"))).dependencies)) {
      mkdirSync(dirname(join(dir, "node_modules", name)), { recursive: true }); // of a scoped package
      symlinkSync(join(ROOT, "node_modules", name), join(dir, "node_modules", name));
    }
    // As after npm ci, so that no test needs a registry.
    copyFileSync(join(ROOT, "package-lock.json"), join(dir, "node_modules", ".installed"));
  }
});
