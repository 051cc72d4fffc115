import { readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type { Command } from "commander";
import { Redis } from "ioredis";
import { freePort } from "../../scripts/free-port.ts";
import { createProgram } from "../../scripts/holdfast/program.ts";
import { REPO_DIR } from "../../scripts/stack-files.ts";
import { until } from "../../scripts/until.ts";
import { grant, hangUp, refuse, startAnswering } from "../client/answering.ts";
import { inherited, spawnApi, spawnWorker, type TestProcess } from "../setup/processes.ts";
import { freshDatabase, freshDir, freshRedis } from "../setup/stack.ts";
import { query } from "../worker/query.ts";
import { LAUNCH, startCommand } from "./holdfast-command.ts";

let server: Awaited<ReturnType<typeof freshRedis>>;
let database: Awaited<ReturnType<typeof freshDatabase>>;
let place: Awaited<ReturnType<typeof freshDir>>;
let redis: Redis;
let api: TestProcess;
let worker: TestProcess;

beforeAll(async () => {
  [server, database, place] = await Promise.all([freshRedis(), freshDatabase(), freshDir()]);
  redis = new Redis(server.url);
  const env = { REDIS_URL: server.url, DATABASE_URL: database.url };
  [api, worker] = await Promise.all([spawnApi(env), spawnWorker(env)]);
}, 60_000);

afterAll(async () => {
  redis?.disconnect();
  await Promise.all([api?.kill(), worker?.kill()]);
  await Promise.all([server?.close(), database?.close(), place?.close()]);
});

const environment = () => ({
  ...inherited(),
  HOLDFAST_DATA: place.dir,
  HOLDFAST_URL: api.url,
  HOLDFAST_WORKER_URL: worker.url,
  DATABASE_URL: database.url,
});

const start = (args: string[], program = LAUNCH, env = {}) =>
  startCommand(args, place.dir, { ...environment(), ...env }, program);

const holdfast = (line: string) => start(line.split(" ")).ended;
const json = async (line: string) => {
  const { code, out } = await holdfast(`${line} --json`);
  return { code, body: JSON.parse(out) };
};

test("stock is set, changed, refused and read; with --json it is one document", async () => {
  const set = await json("stock set tea 12 --key count-1");
  expect(set).toMatchObject({ code: 0, body: { sku: "tea", onHand: 12, replayed: false } });
  const [again, taken] = await Promise.all([
    json("stock set tea 12 --key count-1"),
    holdfast("stock adjust tea -2 --reason damage"),
  ]);
  expect(again).toMatchObject({ code: 0, body: { replayed: true } });
  expect(taken).toMatchObject({ code: 0, err: "" });
  expect(taken.out).toMatch(/^tea in main: 10 on hand, 0 held, 10 available \(version \d+\)\n$/);
  const [refused, read] = await Promise.all([
    json("stock adjust tea -100"),
    holdfast("stock get tea"),
  ]);
  expect(refused).toMatchObject({
    code: 1,
    body: { error: { code: "WOULD_GO_NEGATIVE", available: 10 } },
  });
  // Not on a terminal: no colours.
  expect(read.out).toMatch(/^store \| available[^\n]*\n[-+]+\nmain {2}\| 10 /);
}, 60_000);

test("a hold is read and cancelled", async () => {
  const body = JSON.stringify({ sku: "tea", qty: 2, user_id: "ada", idempotency_key: "h-1" });
  const headers = { "content-type": "application/json" };
  const answer = await fetch(`${api.url}/holds/reserve`, { method: "POST", headers, body });
  const { hold_id } = Object(await answer.json());
  expect((await holdfast(`hold get ${hold_id}`)).out).toMatch(/ is ACTIVE, of ada, .*, ends in /);
  const cancelled = await holdfast(`hold cancel ${hold_id} --reason timeout`);
  expect(cancelled).toEqual({ code: 0, out: `${hold_id} is CANCELLED\n`, err: "" });
}, 60_000);

test("a sale is paused and goes on, and its other rules stay", async () => {
  const headers = { "content-type": "application/json", "idempotency-key": "rules-1" };
  const body = JSON.stringify({ maxPerOrder: 2 });
  await fetch(`${api.url}/v1/rules/cup`, { method: "PUT", headers, body });
  const paused = await holdfast("sale pause cup");
  expect(paused).toEqual({ code: 0, out: "cup is paused\n  maxPerOrder: 2\n", err: "" });
  const before = await json("sale pause saucer --key pause-1");
  // As after an answer that was lost.
  expect(await json("sale pause saucer --key pause-1")).toEqual(before);
  expect((await json("sale resume cup")).body).toMatchObject({ sku: "cup", maxPerOrder: 2 });
  expect((await holdfast("sale show cup")).out).toBe("cup is not paused\n  maxPerOrder: 2\n");
}, 60_000);

test.each([
  "",
  "frobnicate",
  "stock",
  "stock get",
  "stock set tea many",
  "stock adjust tea -1 --reason boredom",
  "hold cancel",
  "dead replay",
  "dead list --limit 0",
  "payments resolve P-1 forgotten ref",
  "audit --timeout never",
])("'%s' is wrong usage: 2", async (line) => {
  const program = createProgram().exitOverride();
  const silence = (command: Command) => {
    command.configureOutput({ writeErr: () => {}, writeOut: () => {} });
    command.commands.forEach(silence);
  };
  silence(program);
  const args = line.split(" ").filter(Boolean);
  const end = await program.parseAsync(args, { from: "user" }).catch((error: unknown) => error);
  expect(end).toMatchObject({ name: expect.stringMatching(/^(Commander|InvalidArgument)/) });
});

test("wrong usage ends with 2, nobody there with 3, and both are told in JSON, too", async () => {
  const nowhere = `http://127.0.0.1:${await freePort()}`;
  const [wrong, no_url, no_key, away] = await Promise.all([
    json("stock set tea many"),
    json("stock get tea --url localhost:8080"),
    json("sale pause tea --key schlüssel"),
    json(`stock adjust tea 1 --url ${nowhere} --timeout 1 --key once`),
  ]);
  expect(wrong).toMatchObject({ code: 2, body: { error: { code: "BAD_USAGE" } } });
  expect(no_url).toMatchObject({ code: 2, body: { error: { code: "BAD_USAGE" } } });
  expect(no_key).toMatchObject({ code: 2, body: { error: { code: "BAD_USAGE" } } });
  expect(away).toMatchObject({
    code: 3,
    body: { error: { code: "OUTCOME_UNKNOWN", idempotencyKey: "once" } },
  });
}, 60_000);

test("whoever stops reading is no failure, and npx's link leads to the right place", async () => {
  const link = join(place.dir, "holdfast");
  symlinkSync(LAUNCH, link);
  const script = `{ "$0" --help; echo "code $?" >&2; } | true`;
  expect(await start(["-c", script, link], "/bin/sh").ended).toEqual({
    code: 0,
    out: "",
    err: "code 0\n",
  });
}, 60_000);

test("tail tells what happens, and ends with 0 at Ctrl-C", async () => {
  const { child, said, ended } = start(["tail", "--json", "--since", "2020-01-01T00:00:00Z"]);
  await until("an event is told", () => said.out.includes("STOCK_COUNTED") || undefined);
  await redis.set("stock:cup", 3);
  await holdfast("stock adjust cup 4");
  await until(
    "the change is told",
    () => /"STOCK_ADJUSTED".*"sku":"cup".*\n/.test(said.out) || undefined,
  );
  child.kill("SIGINT");
  const { code, out } = await ended;
  expect(code).toBe(0);
  const types = out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line).eventType);
  expect(types.at(-1)).toBe("STOCK_ADJUSTED");
}, 60_000);

test("tail waits for what comes back by itself", async () => {
  const service = await startAnswering();
  try {
    service.say(refuse(503, "STORE_UNAVAILABLE"));
    const { said, ended } = start(["tail", "--timeout", "0.5", "--url", service.url]);
    const waits = "the API says STORE_UNAVAILABLE; waiting for it";
    await until("it waits", () => said.err.includes(waits) || undefined);
    service.say(grant([]));
    await until("it goes on", () => said.err.includes("the API is back") || undefined);
    service.say(refuse(403, "FORBIDDEN"));
    expect((await ended).code).toBe(1);
  } finally {
    await service.close();
  }
}, 60_000);

test("status says that all is well; then what is not, and dead letters are shown and tried again", async () => {
  await until("the audit has been round", async () => {
    const { body } = await json("status");
    return body.is_well ? true : undefined;
  });
  const entry = ["event_id", "01a1fbe0-b8e6-7462-8776-0bd4fb74d142", "seq", "900", "payload", "{"];
  const id = await redis.xadd("inventory.events", "*", "type", "HOLD_CREATED", ...entry);
  await until("the letter is dead", async () => {
    const { body } = await json("dead list");
    return body.items.length > 0 ? true : undefined;
  });
  const [status, shown, replay] = await Promise.all([
    holdfast("status"),
    holdfast(`dead show ${id}`),
    json("dead replay --all"),
  ]);
  expect(status.code).toBe(1);
  expect(status.out).toContain("[today] 1 event could not be recorded");
  expect(status.out).toContain("→ npx holdfast dead list");
  expect(shown.out).toContain("payload: {");
  expect(replay).toEqual({ code: 0, body: { requested: 1, messageIds: [id], unknown: [] } });
  await worker.kill();
  const { out } = await holdfast("status");
  expect(out).toMatch(/1\. \[now\] No worker answers at http/);
}, 60_000);

test("an alarm behind pages of warnings is found, and told first", async () => {
  await query(
    database.url,
    `insert into audit_findings (sku, store_id, kind, ledger_available, ledger_held, ledger_version)
     select 's' || n, 'main', case n when 120 then 'HELD' else 'CHANGED_OUTSIDE' end, 0, 0, 0
     from generate_series(1, 120) n`,
  );
  const [audit, few, status] = await Promise.all([
    holdfast("audit"),
    json("audit --limit 3"),
    holdfast("status"),
  ]);
  expect(audit.code).toBe(1);
  expect(audit.out.split("\n")[2]).toMatch(/^s120 /);
  expect(audit.out).toContain("Of 1 alarm and 119 warnings these are shown.");
  expect(few).toMatchObject({ code: 1, body: { open: { alarms: 1, warnings: 119, whole: true } } });
  expect(few.body.items).toHaveLength(3);
  expect(status.out).toContain("Redis and Postgres disagree in 1 place (HELD): s120 in main.");
  expect(status.out).toContain("119 stocks set by hand");
}, 60_000);

test("what has a command of its own is that command: its answer, and its exit code", async () => {
  const beside = { HOLDFAST_URL: "" }; // nobody has said where: Postgres is asked
  const here = (line: string) => start(`keys ${line} --json`.split(" "), undefined, beside).ended;
  const [kept, wrong, made, status, refused] = await Promise.all([
    here("create --name back --role viewer"),
    here("rotate nobody"),
    json("keys create --name shop --role viewer"), // there, and not in a database of this machine
    json("migrate status"),
    json("seed no-such-file.csv"),
  ]);
  expect(made).toMatchObject({ code: 0, body: { name: "shop", key: expect.any(String) } });
  expect(JSON.parse(kept.out)).toMatchObject({ name: "back", token: expect.any(String) });
  expect(wrong.code).toBe(1);
  expect(JSON.parse(wrong.out)).toEqual({ error: { code: "FAILED", message: "see stderr" } });
  const by_api = await holdfast(`keys rotate shop --url ${api.url}`);
  expect(by_api.out).toMatch(/^hf_[0-9a-f]{16}_[A-Za-z0-9_-]{43}\n$/);
  const revoked = await json(`keys revoke shop --url ${api.url}`);
  expect(revoked).toEqual({ code: 0, body: { revoked: 2 } });
  expect(status).toMatchObject({ code: 0, body: { pending: [] } });
  expect(refused).toMatchObject({ code: 1, body: { command: "seed", done: false, exit_code: 1 } });
}, 60_000);

test("a key whose answer was lost is no answer", async () => {
  const service = await startAnswering();
  try {
    service.say(grant({ name: "till", roles: ["viewer"], expiresAt: null, key: null }));
    const create = `keys create --name till --role viewer --url ${service.url}`;
    const lost = await json(create);
    expect(lost).toMatchObject({ code: 1, body: { error: { code: "KEY_LOST" } } });
    expect(lost.body.error.advice).toContain(
      `npx holdfast keys rotate till --overlap 0s --url ${service.url}`,
    );
    service.say(hangUp);
    const { code, err } = await holdfast(`${create} --timeout 1`);
    expect(code).toBe(3);
    expect(err).toContain(`npx holdfast keys list --url ${service.url}`);
    service.say(grant({ items: [] }));
    expect((await holdfast(`keys rotate till --url ${service.url}`)).err).toContain("newest 1,000");
  } finally {
    await service.close();
  }
}, 60_000);

test("every command that a text names is there", () => {
  const known = new Set(namesOf(createProgram()));
  const texts = ["README.md", "docs/operations.md", "scripts/holdfast/status/judge-parts.ts"];
  const named = texts.flatMap((path) => {
    const text = readFileSync(join(REPO_DIR, path), "utf8");
    return [...text.matchAll(/npx holdfast ([a-z]+)(?: ([a-z]+))?/g)];
  });
  expect(named.length).toBeGreaterThan(5);
  const isKnown = ([, one, two]: RegExpMatchArray) =>
    known.has(`${one} ${two}`) || known.has(`${one}`);
  expect(named.filter((match) => !isKnown(match)).map(([text]) => text)).toEqual([]);
});

function namesOf(command: Command, before = ""): string[] {
  return command.commands.flatMap((inner) => {
    const name = `${before}${inner.name()}`;
    // One that takes arguments does something by itself, with commands below it or not.
    const is_command = inner.commands.length === 0 || inner.registeredArguments.length > 0;
    return [...(is_command ? [name] : []), ...namesOf(inner, `${name} `)];
  });
}
