import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { until } from "../../scripts/until.ts";
import { expectProblem } from "./expect-problem.ts";
import { jsonRequest, openSocket } from "./raw.ts";
import { fresh, openShop, type Shop } from "./shop.ts";

const BUDGET_MS = 1_000;
const SLOW_MS = 1_500;

let shop: Shop;
beforeAll(async () => {
  shop = await openShop({ request_budget_ms: BUDGET_MS });
});
afterAll(() => shop.close());

const wishFor = (sku: string) => ({ sku, qty: 1, user_id: "u", idempotency_key: fresh("key") });

/** Sends the head, and the body so long after it that the budget would be over. Returns the answer. */
async function sendSlowly(path: string, body: unknown) {
  const request = jsonRequest(path, body);
  const headEnd = request.indexOf("\r\n\r\n") + 4;
  const socket = await openSocket(shop.api.port);
  socket.write(request.slice(0, headEnd));
  const sent = performance.now();
  await until("the head was sent long ago", () => performance.now() > sent + SLOW_MS || undefined);
  expect(socket.received()).toBe("");
  socket.write(request.slice(headEnd));
  const [answer] = await socket.answers(1);
  socket.end();
  return answer;
}

/** Asks until the store answers again: a sku nobody stocked, so it was Redis that said so. */
const untilSelling = () =>
  until("the API sells again", async () =>
    (await shop.reserve(wishFor(fresh("probe")))).status === 404 ? true : undefined,
  );

describe("a client whose body comes after the budget", () => {
  test("is served, since its budget begins when its request is complete", async () => {
    const sku = await shop.stock(3);
    const { hold_id: sold } = await shop.hold();
    const { hold_id: given_back } = await shop.hold();
    const answers = await Promise.all([
      sendSlowly("/holds/reserve", wishFor(sku)),
      sendSlowly("/holds/confirm", { hold_id: sold, payment_ref: "pay" }),
      sendSlowly("/holds/cancel", { hold_id: given_back }),
    ]);
    expect(answers.map((answer) => [answer?.status, answer?.body.status])).toEqual([
      [201, "ACTIVE"],
      [200, "CONFIRMED"],
      [200, "CANCELLED"],
    ]);
    expect(await shop.unitsOf(sku)).toEqual({ available: 2, held: 1 });
  });
});

describe("a request with an Expect header that nobody knows", () => {
  const answerTo = async (path: string, body: unknown) => {
    const socket = await openSocket(shop.api.port);
    socket.write(jsonRequest(path, body, { Expect: "something" }));
    const [answer] = await socket.answers(1);
    socket.end();
    if (!answer) throw new Error("no answer");
    return answer;
  };

  test("is answered like any other", async () => {
    const sku = await shop.stock(1);
    const answer = await answerTo("/holds/reserve", wishFor(sku));
    expect(answer).toMatchObject({ status: 201, body: { sku, status: "ACTIVE" } });
    expect(await shop.unitsOf(sku)).toEqual({ available: 0, held: 1 });
  });

  test("is never answered with the refusal of what follows it", async () => {
    const sku = await shop.stock(1);
    const socket = await openSocket(shop.api.port);
    const request = jsonRequest("/holds/reserve", wishFor(sku), { Expect: "something" });
    socket.write(`${request}rubbish\r\n\r\n`);
    await socket.closed();
    // None would be as true: the caller then asks again with its key. A 400 says that nothing happened.
    for (const { status } of socket.answered().slice(0, 1)) expect(status).toBe(201);
  });

  test("is refused like any other", async () => {
    const unknown = await answerTo("/holds/reserve", wishFor("nobody-stocked-it"));
    expectProblem(unknown, {
      status: 404,
      code: "UNKNOWN_SKU",
      members: { sku: "nobody-stocked-it" },
    });
    expectProblem(await answerTo("/nowhere", {}), { status: 404, code: "NOT_FOUND" });
    expectProblem(await answerTo("/holds/reserve", "{"), { status: 400, code: "INVALID_REQUEST" });
  });
});

describe("while Redis is paused, of two requests that reach it", () => {
  test.each([
    ["confirm", "CONFIRMED", (hold_id: string) => shop.confirm({ hold_id, payment_ref: "pay" })],
    ["cancel", "CANCELLED", (hold_id: string) => shop.cancel({ hold_id })],
  ])("a %s had only begun to read and is a 503, a reserve is a 504", async (_, status, end) => {
    const { hold_id } = await shop.hold();
    const sku = await shop.stock(1);
    shop.redis.kill("SIGSTOP");
    const [ended, reserved] = await Promise.all([end(hold_id), shop.reserve(wishFor(sku))]).finally(
      () => shop.redis.kill("SIGCONT"),
    );
    expectProblem(ended, { status: 503, code: "STORE_UNAVAILABLE" });
    expect(ended.headers.get("retry-after")).toMatch(/^[123]$/);
    expectProblem(reserved, { status: 504, code: "OUTCOME_UNKNOWN" });
    expect(reserved.headers.get("retry-after")).toBeNull();

    await untilSelling();
    expect((await shop.read(hold_id)).body.status).toBe("ACTIVE");
    expect((await end(hold_id)).body.status).toBe(status);
  });
});
