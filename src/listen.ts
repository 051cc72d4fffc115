import cluster from "node:cluster";
import type { Server as HttpServer } from "node:http";
import { createServer, type ListenOptions, type Server } from "node:net";

// A slow or broken client is cut off after these; a checkout on a phone is far faster.
export const SERVER_LIMITS = {
  headersTimeout: 5_000,
  requestTimeout: 10_000,
  keepAliveTimeout: 65_000, // longer than the minute after which load balancers drop idle connections
  connectionsCheckingInterval: 1_000,
  maxHeaderSize: 16 * 1024,
  requireHostHeader: false, // Node's refusal would be no problem+json: app.ts refuses
};
/** How many connections may wait to be accepted: a sale opens with all of them at once. */
const BACKLOG = 4_096;

/** Of one port, where one process may have several. */
const SOCKETS = 64;

type Address = {
  port: number;
  host: string;
  /** The setting that chooses the port, for the error's sentence. */
  variable: string;
};

/**
 * Starts to listen.
 * @throws Error that names port and setting when the port is taken
 */
export async function listen(server: Server, address: Address): Promise<void> {
  await listenWith(server, address, {});
}

/**
 * Starts to listen, on Linux with many sockets that share the port. A socket is given one connection in each
 * turn of the event loop, and in a rush a turn takes a tenth of a second: with one socket new clients wait
 * for as long as there are clients before them, however soon each of them is then answered. The processes of
 * a cluster get theirs from the first process, whose turns are short.
 * @returns all that listen, to be closed with the server
 * @throws Error as listen() does
 */
export async function listenWidely(server: HttpServer, address: Address): Promise<Server[]> {
  if (process.platform !== "linux" || cluster.isWorker) {
    await listen(server, address);
    return [server];
  }
  await refuseTakenPort(address);
  const further = Array.from({ length: SOCKETS - 1 }, () =>
    createServer((socket) => server.emit("connection", socket)),
  );
  const all = [server, ...further];
  for (const one of all) await listenWith(one, address, { reusePort: true });
  return all;
}

// Another process that shares its port as well would share it with us, and nobody would know.
async function refuseTakenPort(address: Address): Promise<void> {
  const alone = createServer();
  await listen(alone, address);
  await new Promise((resolve) => alone.close(resolve));
}

async function listenWith(
  server: Server,
  { port, host, variable }: Address,
  options: ListenOptions,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) =>
      reject(
        error.code === "EADDRINUSE"
          ? new Error(`Port ${port} on ${host} is taken. Choose another one with ${variable}.`)
          : error,
      ),
    );
    server.listen({ port, host, backlog: BACKLOG, ...options }, resolve);
  });
}
