import type { Server } from "node:http";

/**
 * Starts to listen.
 * @param variable the setting that chooses the port, for the error's sentence
 * @throws Error that names port and setting when the port is taken
 */
export async function listen(
  server: Server,
  { port, host, variable }: { port: number; host: string; variable: string },
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) =>
      reject(
        error.code === "EADDRINUSE"
          ? new Error(`Port ${port} on ${host} is taken. Choose another one with ${variable}.`)
          : error,
      ),
    );
    server.listen(port, host, resolve);
  });
}
