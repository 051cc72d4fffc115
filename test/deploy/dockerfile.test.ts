import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { z } from "zod";
import { freePort } from "../../scripts/free-port.ts";
import { until } from "../../scripts/until.ts";
import { admitAt } from "../setup/admit-at.ts";
import { freshDatabase, freshDir, freshRedis } from "../setup/stack.ts";
import { copiedFromContext, findImageFaults, parseDockerfile } from "./dockerfile.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");
const dockerfile = read("docs/operations/image/Dockerfile");
const ignore = read("docs/operations/image/Dockerfile.dockerignore");

test("the Dockerfile has no faults", () => {
  expect(findImageFaults(dockerfile, ignore)).toEqual([]);
});

test.each([
  ["USER 1000:1000", "USER node", "it runs as root, or as a mere name"],
  ["USER 1000:1000", "", "it runs as root, or as a mere name"],
  ["COPY lua ./lua", "COPY luas ./luas", "luas is not there"],
  ["COPY sql ./sql", "", "nobody copies sql"],
  ["node:26-slim\n", "node:latest\n", "its base is node:latest, and not Node 26"],
  ["8080/health", "8081/health", "the health of a process is not checked"],
  ['["tini", "--"]', '["node"]', "its first process takes in no orphans"],
  ["src/main.ts", "src/api.ts", 'it runs ["node", "src/api.ts"]'],
  ["HOST=0.0.0.0", "HOSTS=0.0.0.0", "nothing reads HOSTS"],
])("a fault is found: %s → %s", (right, wrong, fault) => {
  expect(dockerfile).toContain(right);
  expect(findImageFaults(dockerfile.replace(right, wrong), ignore)).toContain(fault);
});

describe("with nothing but what the image has, and without the right to write a file", () => {
  let place: Awaited<ReturnType<typeof freshDir>>;
  let servers: Awaited<ReturnType<typeof freshRedis> | ReturnType<typeof freshDatabase>>[] = [];
  const children: ChildProcess[] = [];

  beforeAll(async () => {
    place = await freshDir();
    const redis = await freshRedis();
    servers = [redis, await freshDatabase()];
    await admitAt(redis.url);
    for (const name of copiedFromContext(dockerfile)) {
      cpSync(join(ROOT, name), join(place.dir, name), { recursive: true });
    }
    const shape = z.object({ dependencies: z.record(z.string(), z.string()) });
    for (const name of Object.keys(shape.parse(JSON.parse(read("package.json"))).dependencies)) {
      const link = join(place.dir, "node_modules", name);
      mkdirSync(dirname(link), { recursive: true }); // of a scoped package
      symlinkSync(join(ROOT, "node_modules", name), link);
    }
  });
  afterAll(async () => {
    for (const child of children) child.kill("SIGKILL");
    for (const server of servers) await server.close();
    await place?.close();
  });

  test.each(["src/main.ts", "worker/main.ts"])(
    "%s becomes healthy and stops at SIGTERM",
    async (file) => {
      const port = `${await freePort()}`;
      const [redis, database] = servers;
      // Node's own guard in place of a read-only root: whoever would write a file is stopped.
      const guard = ["--permission", "--allow-fs-read=*", "--allow-net"];
      const child = spawn(process.execPath, [...guard, file], {
        cwd: place.dir,
        env: {
          NODE_ENV: "production",
          REDIS_URL: redis?.url,
          DATABASE_URL: database?.url,
          PORT: port,
          WORKER_PORT: port,
        },
        stdio: ["ignore", "pipe", "pipe"],
      });
      children.push(child);
      let output = "";
      for (const stream of [child.stdout, child.stderr]) {
        stream?.on("data", (chunk) => {
          output += chunk;
        });
      }
      const [program, ...check] = healthcheck(port);
      await until("it is healthy", async () => {
        if (child.exitCode !== null) throw new Error(output);
        const checking = spawn(program === "node" ? process.execPath : "false", check);
        const [code] = await once(checking, "exit");
        return code === 0 ? true : undefined;
      });
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      expect(await ended).toEqual([0, null]);
    },
    60_000,
  );

  /** The image's own check, of another port. */
  function healthcheck(port: string): string[] {
    const text = parseDockerfile(dockerfile).find(({ word }) => word === "HEALTHCHECK")?.text ?? "";
    const command: unknown = JSON.parse(text.slice(text.indexOf("[")).replace("8080", port));
    return z.array(z.string()).parse(command);
  }
});
