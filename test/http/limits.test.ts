import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { until } from "../../scripts/until.ts";
import { httpConnections } from "../../src/metrics.ts";
import { expectProblem } from "./expect-problem.ts";
import { jsonRequest, openSocket, type RawAnswer } from "./raw.ts";
import { fresh, openShop, type Shop } from "./shop.ts";

const NOBODY = "H-01890000-0000-7000-8000-000000000000";
const TRICKLE_MS = 300;

let shop: Shop;
beforeAll(async () => {
  shop = await openShop();
});
afterAll(() => shop.close());

const open = () => openSocket(shop.api.port);

async function aReserve(headers: Record<string, string> = {}) {
  const sku = await shop.stock(1);
  const wish = { sku, qty: 1, user_id: "u", idempotency_key: fresh("key") };
  return { sku, request: jsonRequest("/holds/reserve", wish, headers) };
}

const connections = async () => (await httpConnections.get()).values[0]?.value ?? 0;

async function expectStillServing() {
  expect((await shop.read((await shop.hold()).hold_id)).status).toBe(200);
}

/** The server's only answer, after which it has closed the connection. */
async function onlyAnswer(socket: Awaited<ReturnType<typeof openSocket>>, msMax?: number) {
  await socket.closed(msMax);
  const answers = socket.answered();
  expect(answers).toHaveLength(1);
  return answers[0] as RawAnswer; // the one that was just counted
}

describe("a slow client", () => {
  const starts: [string, string][] = [
    ["says nothing", ""],
    ["never ends its headers", "POST /holds/reserve HTTP/1.1\r\nHost: test\r\nX-Slow: "],
    [
      "never ends its body",
      "POST /holds/reserve HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n",
    ],
    [
      "never ends its chunks",
      "POST /holds/reserve HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n",
    ],
  ];

  test("is cut off with a 408, whatever it is slow with", async () => {
    const clients = await Promise.all(
      starts.map(async ([, start]) => {
        const socket = await open();
        if (start !== "") socket.write(start);
        const trickle = setInterval(() => start !== "" && socket.write("x"), TRICKLE_MS);
        return { socket, stop: () => clearInterval(trickle) };
      }),
    );
    try {
      const answers = await Promise.all(clients.map(({ socket }) => onlyAnswer(socket)));
      for (const answer of answers) {
        expectProblem(answer, { status: 408, code: "REQUEST_TIMEOUT" });
        expect(answer.headers.get("connection")).toBe("close");
      }
    } finally {
      for (const { stop } of clients) stop();
    }
    await expectStillServing();
  }, 60_000);
});

describe("what is no HTTP request of a bearable size", () => {
  const HEAD = "GET /health HTTP/1.1\r\nHost: test\r\n";
  test.each([
    ["20 kB of headers", `${HEAD}X-Big: ${"a".repeat(20_000)}\r\n\r\n`, 431, "HEADERS_TOO_LARGE"],
    ["many small headers", `${HEAD}${"X-A: b\r\n".repeat(3_000)}\r\n`, 431, "HEADERS_TOO_LARGE"],
    [
      "a 20 kB address",
      `GET /${"a".repeat(20_000)} HTTP/1.1\r\nHost: test\r\n\r\n`,
      431,
      "HEADERS_TOO_LARGE",
    ],
    ["another protocol", "SSH-2.0-OpenSSH_9.9\r\n\r\n", 400, "INVALID_REQUEST"],
    ["a TLS greeting", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "INVALID_REQUEST"],
    ["HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "INVALID_REQUEST"],
    ["a NUL in a header", `${HEAD}X-A: a\0b\r\n\r\n`, 400, "INVALID_REQUEST"],
    ["a negative length", `${HEAD}Content-Length: -1\r\n\r\n`, 400, "INVALID_REQUEST"],
    [
      "two lengths that differ",
      `${HEAD}Content-Length: 1\r\nContent-Length: 2\r\n\r\n`,
      400,
      "INVALID_REQUEST",
    ],
    [
      "a length and chunks at once",
      `${HEAD}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      400,
      "INVALID_REQUEST",
    ],
  ])("%s: is a problem, and the connection ends", async (_, bytes, status, code) => {
    const socket = await open();
    socket.write(bytes);
    const answer = await onlyAnswer(socket);
    expectProblem(answer, { status, code });
    expect(answer.headers.get("connection")).toBe("close");
    await expectStillServing();
  });

  test("no Host: is a problem like any other", async () => {
    const socket = await open();
    socket.write("GET /health HTTP/1.1\r\n\r\n");
    const [answer] = await socket.answers(1);
    socket.end();
    expectProblem(answer as RawAnswer, { status: 400, code: "INVALID_REQUEST" }); // there is one
  });

  test("a body that is too large: is refused as soon as that is known, and nothing behind it is served", async () => {
    const { sku, request } = await aReserve();
    const heads = [
      `Content-Length: 20000\r\n\r\n${request}`,
      `Transfer-Encoding: chunked\r\n\r\n${"5000\r\n".padEnd(0x5000 + 6, " ")}\r\n`,
    ];
    for (const rest of heads) {
      const socket = await open();
      socket.write(
        `POST /holds/reserve HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n`,
      );
      socket.write(rest);
      const answer = await onlyAnswer(socket);
      expectProblem(answer, { status: 413, code: "BODY_TOO_LARGE" });
      expect(answer.headers.get("connection")).toBe("close");
    }
    expect(await shop.unitsOf(sku)).toEqual({ available: 1, held: 0 });
  });
});

describe("a client that leaves early", () => {
  const ways = [
    ["says goodbye", "end"],
    ["is gone", "destroy"],
  ] as const;

  test.each(ways)("and %s before its body was complete takes nothing", async (_, leave) => {
    const before = await connections();
    const { sku, request } = await aReserve();
    const [head = "", body = ""] = request.split("\r\n\r\n");
    const lengthLine = /Content-Length: \d+/;
    const incomplete = [
      request.slice(0, -1),
      `${head.replace(lengthLine, "Content-Length: 9999")}\r\n\r\n${body}`,
      `${head.replace(lengthLine, "Transfer-Encoding: chunked")}\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n`,
      `${head}\r\n\r\n`,
      head,
    ];
    for (const bytes of incomplete) {
      const socket = await open();
      socket.write(bytes);
      await until("the server has the connection", async () =>
        (await connections()) > before ? true : undefined,
      );
      socket[leave]();
      if (leave === "end") await socket.closed();
      else {
        await until("the server has let go of it", async () =>
          (await connections()) <= before ? true : undefined,
        );
      }
      expect(socket.received()).not.toContain("201 Created");
    }
    await expectStillServing();
    expect(await shop.unitsOf(sku)).toEqual({ available: 1, held: 0 });
  });

  test("without waiting for the answers leaves a server that goes on", async () => {
    const requests = await Promise.all(Array.from({ length: 30 }, () => aReserve()));
    await Promise.all(
      requests.map(async ({ request }) => {
        const socket = await open();
        socket.write(request);
        socket.destroy();
      }),
    );
    await expectStillServing();
    for (const { sku } of requests) {
      const { available, held } = await shop.unitsOf(sku);
      expect(available + held).toBe(1);
    }
  });

  test("right behind a complete request finds it done once when it asks again", async () => {
    const { sku, request } = await aReserve();
    const socket = await open();
    socket.write(request);
    socket.end();
    await socket.closed();
    const again = await open();
    again.write(request);
    const [answer] = await again.answers(1);
    again.end();
    expect(answer?.status).toBe(201);
    expect(await shop.unitsOf(sku)).toEqual({ available: 0, held: 1 });
  });
});

describe("requests in one go on one connection", () => {
  async function expectInOrder(count: number, make: (i: number) => Promise<[string, number]>) {
    const requests = await Promise.all(Array.from({ length: count }, (_, i) => make(i)));
    const socket = await open();
    socket.write(requests.map(([bytes]) => bytes).join(""));
    const answers = await socket.answers(count);
    socket.end();
    expect(answers.map(({ headers, status }) => [headers.get("x-request-id"), status])).toEqual(
      requests.map(([, status], i) => [`r-${i}`, status]),
    );
  }

  test("are all answered in their order, 200 of them", () =>
    expectInOrder(200, async (i) => {
      const id = { "X-Request-Id": `r-${i}` };
      if (i % 4 === 0) return [(await aReserve(id)).request, 201];
      if (i % 4 === 1) return [jsonRequest("/holds/cancel", { hold_id: NOBODY }, id), 404];
      if (i % 4 === 2) return [jsonRequest("/holds/reserve", "{", id), 400];
      return [`GET /holds/${NOBODY} HTTP/1.1\r\nHost: test\r\nX-Request-Id: r-${i}\r\n\r\n`, 404];
    }));

  test("are all answered when there is nothing at their address, or not with that method", () =>
    expectInOrder(20, async (i) => {
      const [path, status] = i % 2 ? ["/nothing", 404] : ["/holds/reserve", 405];
      return [`GET ${path} HTTP/1.1\r\nHost: test\r\nX-Request-Id: r-${i}\r\n\r\n`, Number(status)];
    }));

  test("are not answered with the refusal of what follows them", async () => {
    const { request } = await aReserve({ "X-Request-Id": "the-reserve" });
    const socket = await open();
    socket.write(`${request}rubbish\r\n\r\n`);
    await socket.closed();
    // None would be as true: the caller then asks again with its key. A 400 says that nothing happened.
    for (const { status, headers } of socket.answered().slice(0, 1)) {
      expect([headers.get("x-request-id"), status]).toEqual(["the-reserve", 201]);
    }
  });
});
