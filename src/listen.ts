import type { Server } from "node:http";

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

/**
 * Starts to listen.
 * @param variable the setting that chooses the port, for the error's sentence
 * @throws Error that names port and setting when the port is taken
 */
export async function listen(
  server: Server,
  { port, host, variable }: { port: number; host: string; variable: string },
): Promise<void> {
  // Else processes that share a port pass a connection too many from one full one to the next, for ever.
  Object.assign(server, { dropMaxConnection: true });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) =>
      reject(
        error.code === "EADDRINUSE"
          ? new Error(`Port ${port} on ${host} is taken. Choose another one with ${variable}.`)
          : error,
      ),
    );
    server.listen({ port, host, backlog: BACKLOG }, resolve);
  });
}
