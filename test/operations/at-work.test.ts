import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { Redis } from "ioredis";
import { until } from "../../scripts/until.ts";
import { readScripts } from "../../src/redis/scripts.ts";
import { spawnApi, spawnWorker, type TestProcess } from "../setup/processes.ts";
import { freshDatabase, freshRedis } from "../setup/stack.ts";
import { compareBooks, untilRecorded } from "../worker/books.ts";
import { type Page, readPages } from "./metrics-page.ts";
import { findMissing, readAlerts, readPanels, readScrapes } from "./queries.ts";
import { holdShortSale } from "./short-sale.ts";

// An API and a worker, each with the user of Redis that users.acl has for it, and what they tell of a sale.
const USERS = new URL("../../docs/operations/redis/users.acl", import.meta.url);
const TEST_MS_MAX = 90_000;

const redis = await freshRedis();
const database = await freshDatabase();
const admin = new Redis(redis.url);
const processes: TestProcess[] = [];
let page: Page;

beforeAll(async () => {
  for (const line of readFileSync(USERS, "utf8").trim().split("\n")) {
    const [, user = "", ...rules] = line.split(" ");
    if (user === "default") continue; // the test itself
    await admin.call("ACL", "SETUSER", user, "reset", ">secret", ...rules);
  }
  const env = (user: string) => ({
    REDIS_URL: redis.url.replace("//", `//${user}:secret@`),
    DATABASE_URL: database.url,
  });
  const [api] = await Promise.all(
    [spawnApi(env("api")), spawnWorker({ ...env("worker"), WORKER_NAME: "w" })].map(
      async (starting) => {
        const started = await starting;
        processes.push(started);
        return started;
      },
    ),
  );
  await holdShortSale(api?.url ?? "", admin);
  page = await readAll();
}, TEST_MS_MAX);

afterAll(async () => {
  await Promise.all(processes.map((process) => process.kill()));
  admin.disconnect();
  await redis.close();
  await database.close();
});

const readAll = async () =>
  readPages(
    await Promise.all(processes.map(async ({ url }) => (await fetch(`${url}/metrics`)).text())),
  );

describe("with the users of users.acl", () => {
  test("every script is called", () => {
    const called = page.get("holdfast_redis_call_seconds_count")?.get("script") ?? new Set();
    expect([...called].sort()).toEqual([...readScripts().keys()].sort());
  });

  test(
    "a Redis that is emptied gets everything back",
    async () => {
      await untilRecorded(admin, database.url);
      await admin.flushall();
      await until("all are ready again", async () => {
        if (!(await admin.exists("inventory.generation"))) return undefined;
        const answers = await Promise.all(processes.map(({ url }) => fetch(`${url}/ready`)));
        return answers.every(({ ok }) => ok) ? true : undefined;
      });
      await untilRecorded(admin, database.url);
      expect(await compareBooks(admin, database.url)).toEqual([]);
    },
    TEST_MS_MAX,
  );

  test("nothing was refused that anybody asked for", async () => {
    const refusals = (await admin.call("ACL", "LOG")) as unknown[][]; // names and values, flat
    const told = refusals.map((flat) =>
      ["username", "context", "object"].map((name) => flat[flat.indexOf(name) + 1]),
    );
    // Only how durable Redis is they may not ask: CONFIG GET would tell them its passwords, too.
    expect(told.filter(([, , object]) => object !== "config|get")).toEqual([]);
  });
});

describe("what the documents ask Prometheus for is what the processes tell:", () => {
  test.each(readAlerts())("$alert", ({ alert, expr, annotations }) => {
    expect(findMissing(expr, page)).toEqual([]);
    expect(annotations.runbook).toBe(`docs/operations.md#${alert.toLowerCase()}`);
  });

  test.each(readPanels().filter(({ targets }) => targets.length > 0))("$title", ({ targets }) => {
    for (const { expr, legendFormat } of targets) {
      expect(findMissing(expr, page)).toEqual([]);
      const shown = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label);
      expect(
        shown.filter((label) => !expr.includes(String(label)) && label !== "instance"),
      ).toEqual([]);
    }
  });

  test("the jobs that they name are those of prometheus.yml", () => {
    const jobs = readScrapes().map(({ job_name }) => job_name);
    expect(jobs.filter((job) => !job.startsWith("holdfast-"))).toEqual([]);
    expect(jobs).toHaveLength(2);
  });

  test.each([
    ["max(holdfast_lag_seconds)", "no metric holdfast_lag_seconds"],
    ["sum by (reason) (holdfast_audit_drift)", "holdfast_audit_drift has no label reason"],
    ['holdfast_audit_drift{kind="LOST"}', "holdfast_audit_drift has no kind like LOST"],
    ["max(holdfast_refusing", "brackets that are not closed"],
    ["ceil(holdfast_refusing)", "no metric ceil"],
  ])("a query that asks for something else is noticed: %s", (query, missing) => {
    expect(findMissing(query, page)).toEqual([missing]);
  });
});
