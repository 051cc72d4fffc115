import { once } from "node:events";
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";

const ASK_EVERY_MS = 50;

type Target = { url: string; agent: Agent; ready: boolean };
type Answer = { status: number; headers: IncomingMessage["headers"]; body: Buffer };

/**
 * A plain balancer: keeps connections, asks each target's /ready, and gives requests in turn to those that
 * are. It never sends a request twice; only one for which no connection could be opened goes to another.
 */
export async function startBalancer(urls: string[]) {
  const targets = urls.map(
    (url): Target => ({ url, agent: new Agent({ keepAlive: true }), ready: true }),
  );
  let turn = 0;
  let open = true;

  const server = createServer(async (req, res) => {
    const body = await buffer(req);
    try {
      const answer = await forward(req, body);
      res
        .writeHead(answer.status, { "content-type": answer.headers["content-type"] })
        .end(answer.body);
    } catch (error) {
      fail(res, error);
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo; // it listens on a port, not on a pipe
  const asking = Promise.all(targets.map(watch));

  async function forward(req: IncomingMessage, body: Buffer): Promise<Answer> {
    const ready = targets.filter((target) => target.ready);
    const order = ready.map((_, i) => ready[(turn + i) % ready.length]);
    turn += 1;
    let cause: unknown = new Error("nobody is ready");
    for (const target of order) {
      if (!target) continue;
      try {
        const { method = "GET", url = "/" } = req;
        const type = { "content-type": req.headers["content-type"] ?? "application/json" };
        return await send(target, method, url, type, body);
      } catch (error) {
        cause = error;
        if (!isRefused(error)) break;
      }
    }
    throw cause;
  }

  async function watch(target: Target): Promise<void> {
    while (open) {
      // By a connection of its own, as a balancer does: there may be nobody who listens any more.
      const answer = await fetch(`${target.url}/ready`, { headers: { connection: "close" } }).catch(
        () => null,
      );
      target.ready = answer?.ok === true;
      await answer?.arrayBuffer().catch(() => {});
      await sleep(ASK_EVERY_MS);
    }
  }

  return {
    url: `http://127.0.0.1:${port}`,
    close: async () => {
      open = false;
      await asking;
      for (const { agent } of targets) agent.destroy();
      server.closeAllConnections();
      server.close();
    },
  };
}

function send(
  { url, agent }: Target,
  method: string,
  path: string,
  headers: Record<string, string>,
  body: Buffer,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const length = { "content-length": body.length };
    const sent = request(`${url}${path}`, { method, agent, headers: { ...headers, ...length } });
    sent.on("error", reject);
    sent.on("response", (response) => {
      buffer(response).then(
        (whole) =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: whole }),
        reject,
      );
    });
    sent.end(body);
  });
}

// Not by instanceof: in jest an error of Node's is none of its realm.
const isRefused = (error: unknown) => String(error).includes("connect ECONNREFUSED");

function fail(res: ServerResponse, error: unknown): void {
  res.writeHead(502, { "content-type": "application/json" });
  res.end(JSON.stringify({ message: String(error) }));
}
