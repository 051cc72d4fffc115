import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What one request gets. */
export type Say = (res: ServerResponse, req: IncomingMessage) => void;

/** Says a status, and a problem of that code if there is one. */
export const refuse =
  (status: number, code?: string, headers: Record<string, string> = {}): Say =>
  (res) => {
    const type = code ? "application/problem+json" : "text/html";
    res.writeHead(status, { "content-type": type, ...headers });
    res.end(code ? JSON.stringify({ code, detail: `It is ${code}.`, status }) : "<h1>No</h1>");
  };
export const grant =
  (body: unknown): Say =>
  (res) => {
    res.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
  };
export const hangUp: Say = (res) => res.socket?.destroy();

/**
 * A server of somebody else's, or a service in a bad way: it says to each request what is next, the last one
 * again and again.
 */
export async function startAnswering() {
  let says: Say[] = [];
  let asked: { at: number; key: unknown; authorization: unknown; url: unknown }[] = [];
  const server = createServer((req, res) => {
    const { "idempotency-key": key, authorization } = req.headers;
    asked.push({ at: performance.now(), key, authorization, url: `${req.method} ${req.url}` });
    const say = says.length > 1 ? says.shift() : says[0];
    req.resume().on("end", () => say?.(res, req));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo; // it listens on a port, not on a pipe
  return {
    url: `http://127.0.0.1:${port}`,
    /** From now on; nothing was asked yet. */
    say(...next: Say[]) {
      says = next;
      asked = [];
    },
    asked: () => asked,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
