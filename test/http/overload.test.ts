import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { until } from "../../scripts/until.ts";
import { expectProblem } from "./expect-problem.ts";
import { jsonRequest, openSocket, type RawAnswer } from "./raw.ts";
import { ask, fresh, openShop, type Shop } from "./shop.ts";

/** More than are refused in one turn of the event loop. */
const MANY = 600;

let shop: Shop;
let waiting: Promise<unknown>;
beforeAll(async () => {
  shop = await openShop({ queue_max: 1, request_budget_ms: 5_000 });
});
afterAll(() => shop.close());

// Redis answers nothing, two calls are in flight and one request waits: there is room for no other.
beforeEach(async () => {
  const sku = await shop.stock(10);
  await until("Redis decides", async () => {
    const { status } = await shop.reserve({ ...wish(sku), sku: fresh("probe") });
    return status === 404 || undefined;
  });
  shop.redis.kill("SIGSTOP");
  const first: Promise<unknown>[] = [];
  await until("the queue is full", async () => {
    if (shop.api.batcher.refusal("create_holds", 5_000)) return true;
    first.push(shop.reserve(wish(sku)));
    await new Promise((resolve) => setTimeout(resolve, 5));
    return undefined;
  });
  waiting = Promise.all(first);
});
afterEach(async () => {
  shop.redis.kill("SIGCONT");
  await waiting;
});

const wish = (sku: string) => ({ sku, qty: 1, user_id: "u", idempotency_key: fresh("key") });
const head = (path: string, length: string) =>
  `POST ${path} HTTP/1.1\r\nHost: test\r\nX-Request-Id: mine\r\nContent-Type: application/json\r\n${length}\r\n\r\n`;

async function firstAnswer(socket: Awaited<ReturnType<typeof openSocket>>) {
  const [answer] = await socket.answers(1);
  return answer as RawAnswer; // answers() has waited for it
}

function expectOverloaded(answer: RawAnswer) {
  expectProblem(answer, { status: 503, code: "OVERLOADED" });
  expect(answer.headers.get("retry-after")).toMatch(/^[123]$/);
}

test.each(["/holds/reserve", "/v1/reservations"])(
  "%s is refused before its body has come, and the connection can be used again",
  async (path) => {
    const socket = await openSocket(shop.api.port);
    socket.write(head(path, "Content-Length: 20"));
    const answer = await firstAnswer(socket);
    expectOverloaded(answer);
    expect(answer.headers.get("x-request-id")).toBe("mine");
    expect(answer.headers.get("connection")).not.toBe("close");
    socket.write(`${"x".repeat(20)}GET /nothing HTTP/1.1\r\nHost: test\r\n\r\n`);
    const [, nothing] = await socket.answers(2);
    socket.end();
    expect(nothing?.status).toBe(404);
  },
);

test.each(["Content-Length: 20000", "Transfer-Encoding: chunked"])(
  "a body that is not worth reading ends the connection (%s)",
  async (length) => {
    const socket = await openSocket(shop.api.port);
    socket.write(head("/holds/reserve", length));
    const answer = await firstAnswer(socket);
    expectOverloaded(answer);
    expect(answer.headers.get("connection")).toBe("close");
    await socket.closed();
  },
);

test("many that are refused together are all answered, in their order, and others beside them", async () => {
  const socket = await openSocket(shop.api.port);
  const requests = Array.from({ length: MANY }, (_, i) =>
    jsonRequest("/holds/reserve", wish("any"), { "X-Request-Id": `r-${i}` }),
  );
  socket.write(requests.join(""));
  expect((await ask(`${shop.api.url}/health`)).status).toBe(200);
  const answers = await socket.answers(MANY);
  socket.end();
  expect(answers.map(({ headers }) => headers.get("x-request-id"))).toEqual(
    requests.map((_, i) => `r-${i}`),
  );
  for (const answer of answers) expectOverloaded(answer);
});

test("what is no rush is looked at as ever", async () => {
  expect((await fetch(`${shop.api.url}/metrics`)).status).toBe(200);
  expect((await ask(`${shop.api.url}/ready`)).status).toBe(503); // of Redis
  expect((await shop.confirm({ payment_ref: "p" })).status).toBe(400);
});
