import type { Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { until } from "../../../scripts/until.ts";
import { httpConnections } from "../../../src/metrics.ts";
import { openSocket } from "../raw.ts";
import { fresh, openShop, type Shop } from "../shop.ts";
import { openBulk, sendBulk } from "./bulk-client.ts";

const BYTES_MAX = 1024 * 1024;
const LINES_MAX = 10_000;

let shop: Shop;
beforeAll(async () => {
  shop = await openShop({ request_budget_ms: 5_000 }); // for each line, on any machine
});
afterAll(() => shop.close());

const connections = async () => (await httpConnections.get()).values[0]?.value ?? 0;
const untilConnections = (count: number, msMax?: number) =>
  until(
    `the server has ${count} connections`,
    async () => ((await connections()) <= count ? true : undefined),
    msMax,
  );

describe("of lines", () => {
  const lines = (sku: string, count: number) => `{"sku":"${sku}","delta":1}\n`.repeat(count);

  test.each([LINES_MAX - 1, LINES_MAX])("%d are all done", async (count) => {
    const sku = fresh("sku");
    const { results } = await sendBulk(shop.api.url, lines(sku, count));
    expect(results).toHaveLength(count);
    expect(
      results.every(({ line, status, onHand }) => status === "APPLIED" && onHand === line),
    ).toBe(true);
  });

  test("10,001 are done but for the last, and a last result says so", async () => {
    const sku = fresh("sku");
    const text = `${lines(sku, 5)}\n${lines(sku, LINES_MAX - 5)}${lines(sku, 100)}`;
    const { status, results } = await sendBulk(shop.api.url, text);
    expect(status).toBe(202);
    expect(results).toHaveLength(LINES_MAX + 1);
    expect(results.at(-1)).toEqual({
      line: LINES_MAX + 2, // one is blank
      status: "REFUSED",
      code: "INVALID_REQUEST",
      detail: expect.stringMatching(/more than 10000 lines.*Nothing from line 10002 on/),
    });
    expect(await shop.unitsOf(sku)).toEqual({ available: LINES_MAX, held: 0 });
  });
});

describe("of bytes that come without a length", () => {
  const padded = (sku: string) => `{"sku":"${sku}","delta":1}\n`.padStart(1_024, " ");

  async function stream(text: string) {
    const open = openBulk(shop.api.url);
    for (let at = 0; at < text.length; at += 60_000) {
      open.write(text.slice(at, at + 60_000));
      await open.flushed();
    }
    open.end();
    return open.all();
  }

  test("1 MB is read to its end", async () => {
    const sku = fresh("sku");
    const { results } = await stream(padded(sku).repeat(1_024));
    expect(results).toHaveLength(1_024);
    expect(await shop.unitsOf(sku)).toEqual({ available: 1_024, held: 0 });
  });

  test.each([1, 100_000, 10_000_000])(
    "%d more are too many: the whole lines before are done",
    async (more) => {
      const sku = fresh("sku");
      const text = padded(sku).repeat(1_024) + padded(sku).repeat(10_000).slice(0, more);
      expect(text.length).toBe(BYTES_MAX + more);
      const { over, status, results } = await stream(text);
      expect([over, status]).toEqual(["COMPLETE", 202]);
      expect(results).toHaveLength(1_025);
      expect(results.at(-1)).toEqual({
        line: 1_025,
        status: "REFUSED",
        code: "BODY_TOO_LARGE",
        detail: expect.stringMatching(/larger than 1048576 bytes.*Nothing from line 1025 on/),
      });
      expect(await shop.unitsOf(sku)).toEqual({ available: 1_024, held: 0 });
    },
  );
});

describe("a client", () => {
  /** Lets nothing of ours leave on the next connection, as when all buffers on the way are full. */
  function fillNetwork() {
    let socket: Socket | undefined;
    shop.api.server.once("connection", (connected: Socket) => {
      socket = connected;
      connected.cork();
    });
    return { empty: () => socket?.uncork() };
  }
  const [sku, storeId] = ["s".repeat(60), "t".repeat(20)];
  const line = `{"sku":"${sku}","storeId":"${storeId}","delta":1}\n`;
  const unitsThere = async () => Number(await shop.api.redis.get(`stock:${sku}@${storeId}`));

  test("that reads nothing before it has sent everything gets every result", async () => {
    const network = fillNetwork();
    const open = openBulk(shop.api.url);
    for (let i = 0; i < 90; i += 1) {
      open.write(line.repeat(100));
      await open.flushed();
    }
    await until("all is done", async () => ((await unitsThere()) === 9_000 ? true : undefined));
    open.end();
    expect(open.status()).toBeUndefined();
    network.empty();
    const { over, results } = await open.all();
    expect(over).toBe("COMPLETE");
    expect(results.map(({ onHand }) => onHand)).toEqual(
      Array.from({ length: 9_000 }, (_, i) => i + 1),
    );
  });

  test("that has sent everything and reads nothing is waited for, and in the end cut off", async () => {
    const before = await unitsThere();
    const network = fillNetwork();
    const open = openBulk(shop.api.url, { "Content-Length": line.length * 9_000 });
    open.write(line.repeat(9_000));
    open.end();
    const { over, status } = await open.all(25_000);
    expect([over, status]).toEqual(["BROKEN", undefined]);
    const done = (await unitsThere()) - before;
    expect(done).toBeGreaterThan(0);
    expect(done).toBeLessThan(9_000); // nobody works for somebody who does not listen
    network.empty();
  }, 40_000);

  test("that vanishes leaves whole lines done, half a line undone, and a server that goes on", async () => {
    const before = await connections();
    const [whole, half] = [fresh("sku"), fresh("sku")];
    const open = openBulk(shop.api.url);
    open.write(`{"sku":"${whole}","delta":1}\n`);
    await open.some(1);
    open.write(`{"sku":"${whole}","delta":1}\n{"sku":"${half}","delta":1}`);
    await until("the second line is done", async () =>
      (await shop.unitsOf(whole)).available === 2 ? true : undefined,
    );
    open.destroy();
    await untilConnections(before);
    expect(await shop.unitsOf(half)).toEqual({ available: 0, held: 0 });
    const { results } = await sendBulk(shop.api.url, [{ sku: half, delta: 1 }]);
    expect(results).toMatchObject([{ status: "APPLIED", version: 1 }]);
  });

  test("that vanishes before it reads a word leaves a server that goes on", async () => {
    const before = await connections();
    const sku = fresh("sku");
    const gone = Array.from({ length: 10 }, () => {
      const open = openBulk(shop.api.url);
      open.write(`{"sku":"${sku}","delta":1}\n`.repeat(1_000));
      open.destroy();
      return open.all();
    });
    await Promise.all(gone);
    await untilConnections(before);
    const { results } = await sendBulk(shop.api.url, [{ sku, delta: 1 }]);
    expect(results).toMatchObject([{ status: "APPLIED" }]);
  });

  test("that never ends its lines is cut off, and gets no other answer within its own", async () => {
    const open = openBulk(shop.api.url);
    open.write(line);
    await open.some(1);
    const trickle = setInterval(() => open.write(" "), 300);
    const { over, text } = await open.all(25_000).finally(() => clearInterval(trickle));
    expect(over).toBe("BROKEN");
    expect(text.split("\n")).toHaveLength(2); // one whole result
  }, 30_000);

  test("whose body turns into rubbish is cut off, and gets no other answer within its own", async () => {
    const socket = await openSocket(shop.api.port);
    socket.write(
      `POST /v1/stock:bulk HTTP/1.1\r\nHost: test\r\nContent-Type: application/x-ndjson\r\nIdempotency-Key: ${fresh("key")}\r\nTransfer-Encoding: chunked\r\n\r\n`,
    );
    socket.write(`${line.length.toString(16)}\r\n${line}\r\n`);
    await until("the first result", () => socket.received().includes("APPLIED") || undefined);
    socket.write("rubbish\r\n");
    await socket.closed();
    expect(socket.received().match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 202"]);
  });
});
