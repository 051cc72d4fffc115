import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import request from "supertest";
import { PROBLEMS, type ProblemCode, slugOf } from "../../src/http/problem-kinds.ts";
import { startApi } from "../setup/api.ts";
import { freshDatabase, freshRedis } from "../setup/stack.ts";

const CODES = Object.keys(PROBLEMS) as ProblemCode[]; // Object.keys forgets the literals

let redis: Awaited<ReturnType<typeof freshRedis>>;
let database: Awaited<ReturnType<typeof freshDatabase>>;
let api: Awaited<ReturnType<typeof startApi>>;

beforeAll(async () => {
  [redis, database] = await Promise.all([freshRedis(), freshDatabase()]);
  api = await startApi({ redisUrl: redis.url, databaseUrl: database.url });
});

afterAll(async () => {
  await api.close();
  await Promise.all([redis.close(), database.close()]);
});

describe("a problem's page", () => {
  test.each(CODES)("explains %s", async (code) => {
    const page = await request(api.server)
      .get(`/problems/${slugOf(code)}`)
      .expect(200);
    expect(page.type).toBe("text/html");
    expect(page.text).toContain(`${PROBLEMS[code].status} ${code}`);
    expect(page.text).toContain(`<h1>${PROBLEMS[code].title}</h1>`);
    expect(page.text).not.toMatch(/<sku>|<units>/); // what a person is to fill in is text, not a tag
  });

  test("is where a problem's type leads", async () => {
    const problem = await request(api.server).get("/nothing").expect(404);
    expect(problem.type).toBe("application/problem+json");
    await request(api.server)
      .get(JSON.parse(problem.text).type)
      .expect(200, /NOT_FOUND/);
  });

  test("is not found for a code there is not", async () => {
    await request(api.server).get("/problems/no-such-problem").expect(404);
  });
});

describe("the addresses for operators", () => {
  test("say that the process is up, and ready", async () => {
    await request(api.server).get("/health").expect(200, { status: "up" });
    await request(api.server).get("/ready").expect(200, { status: "ready" });
  });

  test("count what was asked, in Prometheus's format", async () => {
    await request(api.server).post("/holds/reserve").send({}).expect(400);
    const metrics = await request(api.server).get("/metrics").expect(200);
    expect(metrics.type).toBe("text/plain");
    expect(metrics.text).toMatch(
      /^holdfast_http_requests_total\{route="\/holds\/reserve",status="400"\} 1$/m,
    );
  });

  test("answer HEAD as they answer GET, without a body", async () => {
    const head = await request(api.server).head("/health").expect(200);
    expect(head.text).toBeUndefined();
  });
});
