import { once } from "node:events";
import { type AddressInfo, connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { until } from "../../scripts/until.ts";
import { HEADERS_MAX } from "../../src/domain/limits.ts";
import { createHttpServer } from "../../src/http/server.ts";
import { expectProblem } from "./expect-problem.ts";
import { openSocket, type RawAnswer } from "./raw.ts";
import { ask, openShop, type Shop } from "./shop.ts";

const ATTACKERS = 3;
const HEAD = "GET /health HTTP/1.1\r\nHost: test\r\n";
const headers = (count: number) =>
  Array.from({ length: count }, (_, i) => `X-${i}: b\r\n`).join("");

let shop: Shop;
beforeAll(async () => {
  shop = await openShop();
});
afterAll(() => shop.close());

/** Sends `bytes` over some connections, while others are served; the server must end each of these. */
async function flood(bytes: string) {
  const sockets = await Promise.all(
    Array.from({ length: ATTACKERS }, () => openSocket(shop.api.port)),
  );
  for (const socket of sockets) socket.write(bytes);
  expect((await ask(`${shop.api.url}/health`)).status).toBe(200);
  await Promise.all(sockets.map((socket) => socket.closed()));
  return sockets;
}

describe.each([
  ["20,000 headers", `${HEAD}${headers(20_000)}\r\n`],
  ["a header of 1 MB", `${HEAD}X-Big: ${"a".repeat(1_000_000)}\r\n\r\n`],
  ["an address of 1 MB", `GET /${"a".repeat(1_000_000)} HTTP/1.1\r\nHost: test\r\n\r\n`],
  ["one header more than may be", `${HEAD}${headers(HEADERS_MAX)}\r\n`],
])("%s", (_, bytes) => {
  test("ends the connection with a 431 at most, and others are served meanwhile", async () => {
    for (const socket of await flood(bytes)) {
      // A client that still sends when the connection is closed may lose the answer.
      for (const answer of socket.answered()) {
        expectProblem(answer, { status: 431, code: "HEADERS_TOO_LARGE" });
        expect(answer.headers.get("connection")).toBe("close");
      }
    }
  });
});

test("as many headers as may be are read, the last one, too", async () => {
  const socket = await openSocket(shop.api.port);
  const head = HEAD.replace("/health", "/nothing");
  socket.write(`${head}${headers(HEADERS_MAX - 2)}X-Request-Id: the-last\r\n\r\n`);
  const [answer] = await socket.answers(1);
  socket.end();
  const { status, headers: sent } = answer as RawAnswer; // there is one
  expect([status, sent.get("x-request-id")]).toEqual([404, "the-last"]);
});

test("thousands of requests at once on one connection end it, and others are served meanwhile", async () => {
  const sockets = await flood("GET /nothing HTTP/1.1\r\nHost: t\r\n\r\n".repeat(10_000));
  for (const socket of sockets) expect(socket.answered().length).toBeLessThan(10_000);
});

test("a client that takes nothing of its answer is cut off", async () => {
  let ended = false;
  const server = createHttpServer(
    (_, res) => {
      res.once("close", () => {
        ended = true;
      });
      res.end(Buffer.alloc(64 * 1024 * 1024));
    },
    { silence_ms_max: 500 },
  ).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo; // it listens on a port, not on a pipe
  const client = connect({ port, host: "127.0.0.1" }).pause();
  client.on("error", () => {});
  client.write("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
  await until("it is cut off", () => ended || undefined);
  client.destroy();
  server.close();
});
