import { once } from "node:events";
import { connect } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { freePort } from "../../scripts/free-port.ts";
import { until } from "../../scripts/until.ts";
import { createHttpServer, drain } from "../../src/http/server.ts";
import { listenWidely } from "../../src/listen.ts";
import { askAny } from "./shop.ts";

const CLIENTS = 300;

let port: number;
let server: ReturnType<typeof createHttpServer>;
let listeners: Awaited<ReturnType<typeof listenWidely>>;
beforeEach(async () => {
  port = await freePort();
  server = createHttpServer((_req, res) => res.end("{}"));
  listeners = await listenWidely(server, { port, host: "127.0.0.1", variable: "PORT" });
});
afterEach(() => drain(server, listeners));

test("a rush of new clients is let in within a few turns of the event loop", async () => {
  let inside = 0;
  server.on("connection", () => {
    inside += 1;
  });
  const clients = Array.from({ length: CLIENTS }, () => connect(port, "127.0.0.1"));
  await Promise.all(clients.map((client) => once(client, "connect"))); // with the kernel, that is
  let turns = 0;
  for (; inside < CLIENTS; turns += 1) await turn();
  expect(turns).toBeLessThan(CLIENTS / 4);
  for (const client of clients) client.destroy();
});

test("each of the sockets serves, and none does after the end", async () => {
  const open = await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      const client = connect(port, "127.0.0.1");
      client.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
      expect(String((await once(client, "data"))[0])).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
      return client;
    }),
  );
  await drain(server, listeners);
  await Promise.all(open.map((client) => client.closed || once(client, "close")));
  await expect(askAny(`http://127.0.0.1:${port}/`)).rejects.toThrow();
});

test("a second one on the same port is refused", async () => {
  const second = createHttpServer(() => {});
  await expect(listenWidely(second, { port, host: "127.0.0.1", variable: "PORT" })).rejects.toThrow(
    `Port ${port} on 127.0.0.1 is taken. Choose another one with PORT.`,
  );
});

test("whoever comes when nobody else may is shut out, until somebody has left", async () => {
  const few = createHttpServer((_req, res) => res.end("{}"), { connections_max: 2 });
  const address = { port: await freePort(), host: "127.0.0.1", variable: "PORT" };
  const of_few = await listenWidely(few, address);
  const come = async () => {
    const client = connect(address.port, "127.0.0.1");
    client.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const answered = once(client, "data").then(() => true);
    return {
      client,
      served: await Promise.race([answered, once(client, "close").then(() => false)]),
    };
  };
  const [first] = [await come(), await come()];
  expect((await come()).served).toBe(false);
  first?.client.destroy();
  await until("there is room again", async () => (await come()).served || undefined);
  await drain(few, of_few);
});
