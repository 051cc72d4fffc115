import { afterAll, describe, expect, test } from "@jest/globals";
import { until } from "../../scripts/until.ts";
import {
  createClient,
  HoldfastProblem,
  HoldfastUnanswered,
  isProblem,
} from "../../src/client/client.ts";
import { grant, hangUp, refuse, startAnswering } from "./answering.ts";

const server = await startAnswering();
afterAll(server.close);

const client = createClient({ url: server.url, timeoutMs: 60_000, tries: 5 });
const wish = { sku: "a", qty: 1, user_id: "ada" };
const failureOf = (call: Promise<unknown>) =>
  call.then(() => null).catch((error: unknown) => error);
const keys = () => new Set(server.asked().map(({ key }) => key));
const hang = () => {};

describe("what is asked again, under the same key", () => {
  test.each([
    ["a connection that breaks", hangUp],
    ["503", refuse(503, "OVERLOADED")],
    ["504", refuse(504, "OUTCOME_UNKNOWN")],
    ["429", refuse(429)],
    ["a proxy's 502", refuse(502)],
    [
      "an answer that is half there",
      (res: Parameters<typeof hangUp>[0]) => {
        res.writeHead(200, { "content-type": "application/json", "content-length": "99" });
        res.write('{"hold_id":"H-');
        res.socket?.end();
      },
    ],
  ])("%s", async (_, say) => {
    server.say(say, say, grant({ hold_id: "H-1" }));
    expect(await client.holds.reserve(wish)).toEqual({ hold_id: "H-1" });
    expect(server.asked().length).toBe(3);
    expect(keys().size).toBe(1);
    expect([...keys()][0]).toMatch(/^[0-9a-f-]{36}$/);
  });

  test("a try that hangs, when its time is over", async () => {
    server.say(hang, grant({ hold_id: "H-1" }));
    await client.holds.reserve(wish, { tryTimeoutMs: 300, tries: 100 });
    expect(server.asked().length).toBeGreaterThan(1);
    expect(keys().size).toBe(1);
  });

  test("an answer without an end, of which it reads no more than a part", async () => {
    let sent = 0;
    server.say(
      (res) => {
        res.writeHead(200, { "content-type": "application/json" });
        const chunk = Buffer.alloc(1024 * 1024, " ");
        const { socket } = res; // it is taken away from the answer at the end
        res.on("close", () => {
          sent = Number(socket?.bytesWritten);
        });
        const more = () => res.destroyed || res.write(chunk) === false || setImmediate(more);
        res.on("drain", more);
        more();
      },
      grant({ hold_id: "H-1" }),
    );
    await client.holds.reserve(wish, { tryTimeoutMs: 60_000 });
    expect(server.asked().length).toBe(2);
    await until("the answer is given up", () => sent > 0 || undefined);
    expect(sent).toBeLessThan(100 * 1024 * 1024);
  });

  test("not before Retry-After", async () => {
    server.say(refuse(503, "RECOVERING", { "retry-after": "1" }), grant({}));
    await client.holds.reserve(wish);
    const [first, second] = server.asked().map(({ at }) => at);
    expect(Number(second) - Number(first)).toBeGreaterThan(990);
  });

  test("a key of the caller's, as header or member, is that key", async () => {
    server.say(grant({}));
    await client.holds.reserve(wish, { idempotencyKey: "cart-17" });
    await client.holds.reserve({ ...wish, idempotency_key: "cart-17" });
    expect(keys()).toEqual(new Set(["cart-17"]));
    await client.holds.reserve(wish, { idempotencyKey: 'a "cart"' });
    expect(server.asked().at(-1)?.key).toBe('"a \\"cart\\""');
    const bad = client.holds.reserve(wish, { idempotencyKey: "käse" });
    await expect(bad).rejects.toThrow("printable ASCII");
  });

  test("with a new token, when there is one", async () => {
    server.say(refuse(503, "OVERLOADED"), grant({}));
    let told = 0;
    const token = () => `token-${++told}`;
    await createClient({ url: `${server.url}/behind/`, token }).holds.get("H-1/2");
    expect(server.asked().map(({ authorization }) => authorization)).toEqual([
      "Bearer token-1",
      "Bearer token-2",
    ]);
    expect(server.asked()[0]).toMatchObject({ key: undefined, url: "GET /behind/holds/H-1%2F2" });
  });
});

describe("what is not asked again", () => {
  test.each([400, 401, 404, 408, 409, 410, 422])("%d", async (status) => {
    server.say(refuse(status, "SOME_CODE"));
    const failure = await failureOf(client.holds.reserve(wish));
    expect(failure).toBeInstanceOf(HoldfastProblem);
    expect(failure).toMatchObject({ code: "SOME_CODE", status, detail: "It is SOME_CODE." });
    expect(server.asked().length).toBe(1);
  });

  test("what somebody else refuses, who stands before the service", async () => {
    server.say(refuse(404));
    const failure = await failureOf(client.holds.reserve(wish));
    expect(failure).toMatchObject({ name: "HoldfastProblem", code: "HTTP_404", members: {} });
  });

  test("a redirect is not followed", async () => {
    server.say((res) => res.writeHead(302, { location: "/elsewhere" }).end());
    const failure = await failureOf(client.holds.reserve(wish, { tries: 1 }));
    expect(failure).toBeInstanceOf(HoldfastUnanswered);
    expect(server.asked().length).toBe(1);
  });
});

describe("when it ends", () => {
  test("after so many tries nothing was done, if each of them said so", async () => {
    server.say(refuse(503, "RECOVERING"));
    const failure = await failureOf(client.holds.reserve(wish, { tries: 3 }));
    expect(failure).toMatchObject({ name: "HoldfastProblem", code: "RECOVERING", tries: 3 });
    expect(server.asked().length).toBe(3);
  });

  test.each([
    ["one of them broke off", [hangUp, refuse(503, "RECOVERING")]],
    ["the last one did", [refuse(503, "RECOVERING"), hangUp]],
    ["one came to nobody knows what", [refuse(504, "OUTCOME_UNKNOWN"), refuse(401, "X")]],
    ["one broke off, and somebody else refuses the next", [hangUp, refuse(404)]],
    ["one broke off, and the service breaks with the next", [hangUp, refuse(500, "X")]],
  ])("it is unknown whether it was done, when %s; and the key is told", async (_, says) => {
    server.say(...says);
    const asking = client.holds.reserve(wish, { tries: 2, idempotencyKey: "cart-18" });
    const failure = await failureOf(asking);
    expect(failure).toBeInstanceOf(HoldfastUnanswered);
    expect(failure).toMatchObject({ outcome: "UNKNOWN", idempotencyKey: "cart-18", tries: 2 });
    expect(String(failure)).toContain("ask again with the same key, cart-18");
  });

  test("the service has broken in a write: it is unknown; in a read: it says so", async () => {
    server.say(refuse(500, "INTERNAL_ERROR"));
    const failure = await failureOf(client.holds.reserve(wish));
    expect(failure).toMatchObject({ name: "HoldfastUnanswered", outcome: "UNKNOWN", tries: 1 });
    expect(await failureOf(client.holds.get("H-1"))).toMatchObject({ code: "INTERNAL_ERROR" });
  });

  test("no token for a second try: it is unknown, and the key is told; for the first: only that", async () => {
    server.say(hangUp, grant({}));
    let tokens = ["one"];
    const token = () => tokens.shift() ?? Promise.reject(new Error("no token"));
    const asking = createClient({ url: server.url, timeoutMs: 60_000, token });
    const failure = await failureOf(asking.holds.reserve(wish, { idempotencyKey: "cart-19" }));
    expect(failure).toMatchObject({
      ...{ name: "HoldfastUnanswered", outcome: "UNKNOWN", idempotencyKey: "cart-19", tries: 1 },
      cause: new Error("no token"),
    });
    tokens = [];
    expect(await failureOf(asking.holds.reserve(wish))).toEqual(new Error("no token"));
    expect(server.asked().length).toBe(1);
  });

  test("a refusal under the same key settles what was unknown", async () => {
    server.say(hangUp, refuse(409, "SOLD_OUT"));
    expect(isProblem(await failureOf(client.holds.reserve(wish)), "SOLD_OUT")).toBe(true);
  });

  test("a read does nothing, and says so", async () => {
    server.say(hangUp);
    const failure = await failureOf(client.holds.get("H-1", { tries: 1 }));
    expect(failure).toMatchObject({ outcome: "NOTHING_DONE", idempotencyKey: undefined });
  });

  test("at once, when to wait is longer than there is time", async () => {
    server.say(refuse(503, "OVERLOADED", { "retry-after": "600" }));
    const failure = await failureOf(client.holds.reserve(wish));
    expect(failure).toMatchObject({ code: "OVERLOADED", retryAfter: 600, tries: 1 });
  });

  test("when its time is over, whatever tries are left", async () => {
    server.say(hang);
    const patience = { timeoutMs: 500, tries: 1_000_000 };
    const failure = await failureOf(client.holds.reserve(wish, patience));
    expect(failure).toBeInstanceOf(HoldfastUnanswered);
    expect(server.asked().length).toBeLessThan(3);
  });

  test.each([
    ["while it is asked", hang],
    ["between two tries", refuse(503, "OVERLOADED", { "retry-after": "50" })],
  ])("at once, when it is aborted %s", async (_, say) => {
    server.say(say);
    const abort = new AbortController();
    const failing = failureOf(client.holds.reserve(wish, { signal: abort.signal }));
    await until("it is asked", () => server.asked().length > 0 || undefined);
    abort.abort(new Error("the customer has left"));
    expect(await failing).toEqual(new Error("the customer has left"));
    expect(server.asked().length).toBe(1);
  });

  test("at once, when it is aborted while a token is made", async () => {
    const abort = new AbortController();
    const token = () => {
      setImmediate(() => abort.abort(new Error("the customer has left")));
      return new Promise<string>(() => {});
    };
    const { holds } = createClient({ url: server.url, token });
    const asking = holds.reserve(wish, { signal: abort.signal });
    await expect(asking).rejects.toThrow("the customer has left");
  });

  test("before it begins, when it was aborted before", async () => {
    server.say(grant({}));
    const signal = AbortSignal.abort(new Error("never"));
    await expect(client.holds.reserve(wish, { signal })).rejects.toThrow("never");
    expect(server.asked()).toEqual([]);
  });
});

test.each(["ftp://a", "nowhere", "http://ada:secret@a"])("%s is no url", (url) => {
  expect(() => createClient({ url })).toThrow(/\burl\b/i);
});
