import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { until } from "../../../scripts/until.ts";
import { rateLimited, rateLimitsAlone } from "../../../src/metrics.ts";
import { startApi } from "../../setup/api.ts";
import { bearer, newCaller, type TestCaller } from "../access/callers.ts";
import { openIssuer } from "../access/issuer.ts";
import { expectProblem } from "../expect-problem.ts";
import { type Answer, ask, fresh, openShop, postJson, type Shop } from "../shop.ts";

/** One more comes in after 100 s, so none does in a test. */
const SLOW = 0.01;
/** One of each caller's is spent by newCaller(), which asks until the API knows it. */
const CALLER_BURST = 13;
const LEFT = CALLER_BURST - 1;
const SELDOM_MS = 250;

let shop: Shop;
beforeAll(async () => {
  shop = await openShop({
    request_budget_ms: 30_000, // or each process would limit by itself on a busy machine
    auth: { mode: "keys" },
    rates: {
      caller: { per_second: SLOW, burst: CALLER_BURST },
      customer: { per_second: SLOW, burst: 4 },
      address: null,
    },
  });
});
afterAll(() => shop.close());

const newShopper = (customer: string | null = null) =>
  newCaller(shop.api, ["checkout"], { customer });
const wish = (sku: string, user_id?: string, idempotency_key = fresh("key")) => ({
  ...{ sku, qty: 1, idempotency_key, ...(user_id === undefined ? {} : { user_id }) },
});
const reserve = ({ token }: TestCaller, body: unknown, of = shop) =>
  postJson(`${of.api.url}/holds/reserve`, body, bearer(token));
const limited = async (by: string) =>
  (await rateLimited.get()).values.find(({ labels }) => labels.by === by)?.value ?? 0;

function expectLimited(answer: Answer, by: string) {
  expectProblem(answer, { status: 429, code: "RATE_LIMITED", members: { by } });
  expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
}

describe("a caller", () => {
  test("gets as many answers as it may, however many it asks for at once, and others get theirs", async () => {
    const before = await limited("caller");
    const [one, other] = [await newShopper(), await newShopper()];
    const answers = await Promise.all(Array.from({ length: 30 }, () => one.get("/v1/stores")));
    const good = answers.filter(({ status }) => status !== 429);
    const refused = answers.filter(({ status }) => status === 429);
    expect([good.length, refused.length]).toEqual([LEFT, 30 - LEFT]);
    for (const answer of refused) expectLimited(answer, "caller");
    expect(await limited("caller")).toBe(before + refused.length);
    const of_other = await other.get("/v1/stores");
    expect(of_other.status).toBe(200);
    expect(of_other.headers.get("ratelimit")).toBe(`"caller";r=${LEFT - 1};t=200`);
    expect(of_other.headers.get("ratelimit-policy")).toBe('"caller";q=13;w=1300');
  });

  test("is told when to come back, and may still ask for what is open to all", async () => {
    const caller = await newShopper();
    const forbidden = await caller.get("/v1/keys");
    expect([forbidden.status, forbidden.headers.has("ratelimit")]).toEqual([403, true]);
    for (let i = 1; i < LEFT; i++) await caller.get("/v1/stores");
    const refused = await caller.get("/v1/stores");
    expectLimited(refused, "caller");
    const retry_after = Number(refused.headers.get("retry-after"));
    expect(retry_after).toBeGreaterThan(60);
    expect(retry_after).toBeLessThanOrEqual(100);
    expect(refused.headers.get("ratelimit")).toMatch(/^"caller";r=0;t=1[23]\d\d$/);
    expect((await caller.get("/health")).status).toBe(200);
    expect((await caller.get("/problems/rate-limited")).status).toBe(200);
  });
});

describe("a customer", () => {
  test("gets as many as she may, whoever asks for her and wherever, and others get theirs", async () => {
    const sku = await shop.stock(50);
    const callers = [await newShopper(), await newShopper()];
    const eve = fresh("eve");
    const answers = await Promise.all(
      callers.flatMap((caller) => [
        ...Array.from({ length: 3 }, () => reserve(caller, wish(sku, eve))),
        caller.send("POST", "/v1/reservations", { lines: [{ sku, qty: 1 }], customerId: eve }),
        caller.send("POST", "/v1/purchase", { sku, qty: 1, customerId: eve }),
        caller.send("POST", "/v1/waitlist", { sku, qty: 1, offerSeconds: 60, customerId: eve }),
      ]),
    );
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused).toHaveLength(answers.length - 4);
    for (const answer of refused) expectLimited(answer, "customer");
    const taken = answers.filter(({ status }) => status === 201 || status === 202);
    const { available } = await shop.unitsOf(sku);
    expect(50 - available).toBe(taken.length);
    const of_joe = await reserve(callers[0] as TestCaller, wish(sku, fresh("joe"))); // there are two
    expect(of_joe.status).toBe(201);
    expect(of_joe.headers.get("ratelimit")).toMatch(/^"caller";r=\d+;t=\d+, "customer";r=3;t=100$/);
    expect(of_joe.headers.get("ratelimit-policy")).toBe(
      '"caller";q=13;w=1300, "customer";q=4;w=400',
    );
  });

  test("is counted when a caller of hers does not name her, and not for what is no new wish", async () => {
    const ann = fresh("ann");
    const caller = await newShopper(ann);
    const sku = await shop.stock(50);
    const [held] = await Promise.all(Array.from({ length: 4 }, () => reserve(caller, wish(sku))));
    expect(held?.status).toBe(201);
    expectLimited(await reserve(caller, wish(sku)), "customer");
    expect((await caller.get(`/v1/reservations?customerId=${ann}`)).status).toBe(200);
    const { status } = await caller.send("POST", "/holds/cancel", { hold_id: held?.body.hold_id });
    expect(status).toBe(200);
  });
});

describe("with faster limits", () => {
  let fast: Shop;
  let caller: TestCaller;
  beforeAll(async () => {
    caller = await newCaller(shop.api, ["checkout"]); // here it is known from the start
    fast = await openShop({
      databaseUrl: shop.api.pool.options.connectionString ?? "",
      auth: { mode: "keys" },
      rates: {
        caller: { per_second: 50_000, burst: 100_000 },
        customer: { per_second: 2, burst: 1 },
        address: { per_second: SLOW, burst: 3 },
      },
    });
  });
  afterAll(() => fast.close());

  test("a refusal is not remembered: the same key reserves later, once", async () => {
    const sku = await fast.stock(10);
    const user = fresh("user");
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => reserve(caller, wish(sku, user), fast)),
    );
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThan(0);
    expect(refused[0]?.headers.get("retry-after")).toBe("1");
    const again = wish(sku, user, fresh("refused"));
    const untilDone = () =>
      until("there is a permit again", async () => {
        const answer = await reserve(caller, again, fast);
        return answer.status === 429 ? undefined : answer;
      });
    const [first, second] = [await untilDone(), await untilDone()];
    expect([first.status, first.headers.get("idempotent-replayed")]).toEqual([201, null]);
    expect([second.status, second.body]).toEqual([201, first.body]);
    expect(second.headers.get("idempotent-replayed")).toBe("true");
    const { held } = await fast.unitsOf(sku);
    expect(held).toBe(answers.length - refused.length + 1);
  });

  test("a process takes ahead what it will need, and asks Redis for few of many", async () => {
    const calls = async () =>
      Number(/cmdstat_evalsha:calls=(\d+)/.exec(await fast.api.redis.info("commandstats"))?.[1]);
    const before = await calls();
    for (let i = 0; i < 100; i++) {
      await ask(`${fast.api.url}/v1/stores`, { headers: bearer(caller.token) });
    }
    expect((await calls()) - before).toBeLessThan(15);
  });

  test("an address that has sent bad tokens is heard no more, until its time has come", async () => {
    const [none, bad] = [{}, bearer("nonsense")];
    const asked = (headers: Record<string, string>, path = "/v1/stores") =>
      ask(`${fast.api.url}${path}`, { headers });
    for (let i = 0; i < 5; i++) expect((await asked(none)).status).toBe(401);
    const answers = await Promise.all(Array.from({ length: 10 }, () => asked(bad)));
    const told = answers.filter(({ status }) => status === 401);
    expect(told).toHaveLength(3);
    for (const answer of answers) {
      if (answer.status === 401) expectProblem(answer, { status: 401, code: "UNAUTHENTICATED" });
      else expectLimited(answer, "address");
    }
    expect((await asked(bearer(caller.token))).status).toBe(200);
    expectLimited(await asked(bad, "/metrics"), "address");
    expect((await asked(bad, "/health")).status).toBe(200);
  });
});

test("a token that has expired is no guess, and one that is known gets through whoever guesses", async () => {
  const issuer = await openIssuer();
  const api = await startApi({
    ...{ redisUrl: shop.redis.url, databaseUrl: shop.database.url, admits: false },
    ...{ request_budget_ms: 30_000, auth: issuer.settings },
    rates: { caller: null, customer: null, address: { per_second: SLOW, burst: 1 } },
  });
  try {
    const asked = async (token: string) =>
      (await ask(`${api.url}/v1/stores`, { headers: bearer(token) })).status;
    const [good, expired] = [await issuer.token(), await issuer.token({}, { ends: "-10s" })];
    for (let i = 0; i < 3; i++) expect(await asked(expired)).toBe(401);
    expect(await asked(good)).toBe(200);
    expect([await asked("bad"), await asked("bad")]).toEqual([401, 429]);
    expect([await asked(good), await asked(expired)]).toEqual([200, 429]);
  } finally {
    await Promise.all([api.close(), issuer.close()]);
  }
});

test("who says nothing of itself is an address, which nobody but a trusted proxy tells", async () => {
  const start = (trust_proxy?: number) =>
    startApi({
      ...{ redisUrl: shop.redis.url, databaseUrl: shop.database.url, admits: false },
      ...{ request_budget_ms: 30_000, ...(trust_proxy && { trust_proxy }) },
      rates: { caller: { per_second: SLOW, burst: 2 }, customer: null, address: null },
    });
  const [reached, behind] = await Promise.all([start(), start(1)]);
  try {
    const statuses = async ({ url }: { url: string }) => {
      const found = [];
      for (const host of [1, 2, 3, 1, 1]) {
        const headers = { "x-forwarded-for": `203.0.113.${host}` };
        found.push((await ask(`${url}/v1/stores`, { headers })).status);
      }
      return found;
    };
    expect(await statuses(reached)).toEqual([200, 200, 429, 429, 429]);
    expect(await statuses(behind)).toEqual([200, 200, 200, 200, 429]);
  } finally {
    await Promise.all([reached.close(), behind.close()]);
  }
});

test("who only looks after the API spends nothing", async () => {
  const watcher = await newCaller(shop.api, ["viewer"]);
  const { status, headers } = await watcher.get("/metrics");
  expect([status, headers.has("ratelimit")]).toEqual([200, false]);
  expect((await watcher.get("/v1/stores")).headers.has("ratelimit")).toBe(true);
});

describe("while Redis is away", () => {
  test("each process limits by itself, and goes on from what is shared afterwards", async () => {
    const [caller, after] = [await newShopper(), await newShopper()];
    const alone = async () => (await rateLimitsAlone.get()).values[0]?.value;
    expect(await alone()).toBe(0);
    await shop.redis.kill("SIGKILL");
    await shop.untilRedis("gone");
    const answers = await Promise.all(Array.from({ length: 30 }, () => caller.get("/v1/stores")));
    const good = answers.filter(({ status }) => status !== 429);
    expect(good).toHaveLength(LEFT);
    expectLimited(await caller.get("/v1/stores"), "caller");
    expect(await alone()).toBe(1);
    await shop.startRedis();
    await until("they are shared again", async () => {
      await sleep(SELDOM_MS); // or all it may ask for is spent before Redis is asked again
      await after.get("/v1/stores");
      return (await alone()) === 0 || undefined;
    });
  });
});
