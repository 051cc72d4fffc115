import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { createServer } from "node:net";

// Below 32768, where no common system hands out ports for outgoing connections: a port from there
// may be taken between being found and being listened on.
const FIRST_PORT = 20_000;
const LAST_PORT = 32_000;
const TRIES_MAX = 200;

/**
 * A port of 127.0.0.1 that nobody listens on. Until this process ends nobody else is given it, however long
 * it takes until a server listens there, or is there again.
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const port = randomInt(FIRST_PORT, LAST_PORT + 1);
    const release = await reserve(port);
    if (!release) continue;
    if (await portIsFree(port)) return port;
    release();
  }
  throw new Error(`No free port found between ${FIRST_PORT} and ${LAST_PORT}`);
}

/**
 * Keeps a port from all others who ask here. Returns what gives it back, null when somebody has it. By the
 * port of UDP with the same number: the system gives that to one process alone, and takes it back when this
 * ends; and it is in the way of nobody who listens by TCP.
 */
export function reserve(port: number): Promise<(() => void) | null> {
  return new Promise((resolve, reject) => {
    const socket = createSocket("udp4");
    socket.once("error", (error: NodeJS.ErrnoException) => {
      socket.close();
      if (error.code === "EADDRINUSE" || error.code === "EACCES") resolve(null);
      else reject(error);
    });
    socket.bind(port, "127.0.0.1", () => {
      socket.unref();
      resolve(() => socket.close());
    });
  });
}

/** Whether a server could listen on this port of `host` now. Throws if `host` is not this machine. */
export function portIsFree(port: number, host = "127.0.0.1"): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => {
      // EACCES: a port below 1024 and an ordinary user, no more usable than one that is taken.
      if (error.code === "EADDRINUSE" || error.code === "EACCES") resolve(false);
      else reject(error);
    });
    server.listen({ host, port }, () => server.close(() => resolve(true)));
  });
}
