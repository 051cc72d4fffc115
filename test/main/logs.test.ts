import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { Redis } from "ioredis";
import { until } from "../../scripts/until.ts";
import { ask, postJson } from "../http/shop.ts";
import { spawnApi, spawnWorker, type TestProcess } from "../setup/processes.ts";
import { freshDatabase, freshRedis } from "../setup/stack.ts";

const REQUEST_ID = "trace-7f3a";

let server: Awaited<ReturnType<typeof freshRedis>>;
let database: Awaited<ReturnType<typeof freshDatabase>>;
let redis: Redis;
let api: TestProcess;
let worker: TestProcess;
beforeAll(async () => {
  [server, database] = await Promise.all([freshRedis(), freshDatabase()]);
  redis = new Redis(server.url, { maxRetriesPerRequest: null });
  redis.on("error", () => {}); // it is stopped below, and comes back
  const withPassword = new URL(database.url);
  withPassword.password = "hunter2";
  const env = {
    REDIS_URL: server.url,
    DATABASE_URL: withPassword.href,
    LOG_LEVEL: "debug",
  };
  [api, worker] = await Promise.all([spawnApi(env), spawnWorker(env)]);
});
afterAll(async () => {
  await Promise.all([api.kill(), worker.kill()]);
  redis.disconnect();
  await Promise.all([server.close(), database.close()]);
});

const SECRETS = {
  idempotency_key: "secret-key-1",
  user_id: "secret-user-2",
  payment_ref: "secret-payment-3",
  reason: "secret-reason-4",
  typo: "secret-member-5",
  header: "secret-header-6",
};
const HEADERS = { "x-request-id": REQUEST_ID, authorization: `Bearer ${SECRETS.header}` };

const call = (path: string, body: unknown, headers = {}) =>
  postJson(`${api.url}/holds/${path}`, body, { ...HEADERS, ...headers });

const { idempotency_key, user_id, payment_ref, reason } = SECRETS;
const wish = (sku: string) => ({
  sku,
  qty: 1,
  user_id,
  idempotency_key: `${idempotency_key}${sku}`,
});

/** Every kind of answer the API has, each for a request full of secrets. */
async function provokeEverything() {
  await redis.mset({ "stock:good": "10", "stock:corrupt": "abc" });
  const statuses: number[] = [];
  const note = async (answer: ReturnType<typeof ask>) => {
    const { status, body } = await answer;
    statuses.push(status);
    return String(body.hold_id);
  };
  const sold = await note(call("reserve", wish("good")));
  await note(call("reserve", { ...wish("good"), qty: 2 })); // 422
  await note(call("reserve", { ...wish("good"), idempotency_key: `${idempotency_key}\n` }));
  await note(call("reserve", { ...wish("good"), [SECRETS.typo]: SECRETS.typo }));
  await note(call("reserve", `{"user_id":"${user_id}"`)); // 400, not JSON
  await note(call("reserve", wish("good"), { "idempotency-key": `"${idempotency_key}` }));
  await note(call("reserve", wish("unknown"))); // 404
  await note(
    call("reserve", { ...wish("good"), qty: 100, idempotency_key: `${idempotency_key}?` }),
  );
  await note(call("reserve", wish("corrupt"))); // 500
  await note(call("confirm", { hold_id: sold, payment_ref }));
  await note(call("cancel", { hold_id: sold, reason })); // 409
  await note(call("cancel", { hold_id: user_id, reason })); // 404
  await note(ask(`${api.url}/holds/${sold}`, { headers: HEADERS }));
  await note(ask(`${api.url}/holds/${user_id}?payment_ref=${payment_ref}`, { headers: HEADERS }));

  await redis.config("SET", "maxmemory", "1"); // the script's error carries its arguments
  await note(call("reserve", { ...wish("good"), idempotency_key: `${idempotency_key}!` })); // 503
  await redis.config("SET", "maxmemory", "0");
  await until("the API has seen that there is room", async () => {
    return (await call("reserve", wish("good"))).status === 503 ? undefined : true;
  });
  await redis.call("XADD", "inventory.events", "*", "payload", `{"user_id":"${user_id}"}`); // dead

  server.kill("SIGSTOP");
  await note(call("reserve", wish("good"))); // 504
  server.kill("SIGCONT");
  await server.stop();
  await note(call("reserve", wish("good"))); // 503 or 504
  await server.start();
  return new Set(statuses);
}

/** What it has written so far, but for a line in the middle of which it may be. */
const linesOf = (process: TestProcess) =>
  process
    .output()
    .split("\n")
    .slice(0, -1)
    .filter((line) => line !== "");

test("logs are JSON lines that lead from an answer to its cause, and hold no one's secrets", async () => {
  const statuses = await provokeEverything();
  for (const status of [200, 201, 400, 404, 409, 422, 500, 503, 504]) {
    expect([...statuses]).toContain(status);
  }
  await until(
    "the worker has met the dead event",
    () => worker.output().includes("an event is dead") || undefined,
  );
  await database.close(); // and now Postgres refuses its clients too
  await until(
    "the worker has met the lost database",
    () => /does not exist|terminating/.test(worker.output()) || undefined,
  );

  for (const [name, process] of Object.entries({ api, worker })) {
    for (const line of linesOf(process)) {
      expect(JSON.parse(line)).toMatchObject({
        level: expect.stringMatching(/^(debug|info|warn|error)$/),
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
        name,
        msg: expect.stringMatching(/./),
      });
    }
    expect(process.output()).not.toContain("secret-");
    expect(process.output()).not.toContain("hunter2");
    expect(process.output()).not.toMatch(/evalsha.*args|"args"|"command"/i);
  }
  const ours = linesOf(api)
    .map((line) => JSON.parse(line))
    .filter(({ request_id }) => request_id === REQUEST_ID);
  expect(new Set(ours.map(({ level }) => level))).toEqual(new Set(["debug", "warn", "error"]));
  expect(ours.find(({ level }) => level === "error")).toMatchObject({ code: "CORRUPT_STOCK" });
  for (const line of ours.filter(({ msg }) => msg === "request")) {
    expect(statuses).toContain(line.status);
  }
}, 60_000);
