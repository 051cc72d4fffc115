import {
  createServer,
  type RequestListener,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from "node:http";
import type { Server as Listener } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { newRequestId } from "../domain/ids.ts";
import { HEADERS_MAX } from "../domain/limits.ts";
import { SERVER_LIMITS } from "../listen.ts";
import { httpConnections, httpInFlight } from "../metrics.ts";
import { monotonicNow } from "../now.ts";
import type { MessageClasses } from "./message-classes.ts";
import { problemBody } from "./problem.ts";
import { PROBLEMS, type ProblemCode } from "./problem-kinds.ts";

const CONNECTIONS_MAX = 20_000;
/** Requests of one connection that are not answered yet: nobody sends so many at once for good. */
const PIPELINED_MAX = 1_000;
/** Longer than any answer takes: then the client takes none of what was sent. */
const SILENCE_MS_MAX = 60_000;
const DRAIN_MS_MAX = 10_000;
const DRAIN_CHECK_MS = 50;

/** Servers that are about to stop: each answer is the last one on its connection. */
const stopping = new WeakSet<Server>();

export function createHttpServer(
  app: RequestListener,
  {
    connections_max = CONNECTIONS_MAX,
    silence_ms_max = SILENCE_MS_MAX,
    classes,
  }: { connections_max?: number; silence_ms_max?: number; classes?: MessageClasses } = {},
): Server {
  const server: Server = classes
    ? createServer({ ...SERVER_LIMITS, ...classes })
    : createServer(SERVER_LIMITS);
  server.maxHeadersCount = HEADERS_MAX + 1; // so that one too many is seen; Node leaves out the others
  server.timeout = silence_ms_max;
  limitConnections(server, connections_max);
  // By socket, since requests may be pipelined: a refusal must not be taken for an earlier one's answer.
  const unanswered = new WeakMap<Duplex, Set<ServerResponse>>();
  // Before the app, which may answer at once.
  server.prependListener("request", (req, res) => {
    if (stopping.has(server)) res.shouldKeepAlive = false;
    const open = unanswered.get(req.socket) ?? new Set();
    unanswered.set(req.socket, open.add(res));
    httpInFlight.inc();
    res.once("close", () => {
      open.delete(res);
      httpInFlight.dec();
    });
    if (open.size > PIPELINED_MAX) req.socket.destroy();
    if (!req.socket.destroyed) app(req, res);
  });
  // An unknown Expect is a request like any other; Node would answer a bare 417.
  server.on("checkExpectation", (req, res) => server.emit("request", req, res));
  server.on("clientError", (error, socket) => {
    const waiting = [...(unanswered.get(socket) ?? [])];
    // Nor may it stand in the middle of one that has begun while its request still came.
    if (waiting.some((res) => res.req.complete || res.headersSent)) socket.destroy();
    else refuseRaw(error, socket);
  });
  return server;
}

// Not maxConnections: it counts by listening socket, and with a cluster's processes it passes one too many
// from a full process to the next, for ever.
function limitConnections(server: Server, connections_max: number) {
  let open = 0;
  server.on("connection", (socket) => {
    open += 1;
    httpConnections.inc();
    socket.once("close", () => {
      open -= 1;
      httpConnections.dec();
    });
    if (open > connections_max) socket.destroy();
  });
}

/** For /ready: rejects with words once the server is about to stop. */
export async function checkStays(server: Server): Promise<void> {
  if (stopping.has(server)) throw new Error("it is stopping");
}

/**
 * Goes on for `notice_ms`, in which /ready says that it stops and each answer ends its connection, so that
 * balancers and clients go elsewhere by themselves: a request that crosses the end of its connection is lost.
 * Then takes no new connections and lets requests in flight finish. After 10 s in all it cuts off the rest.
 * @param listeners all that listen for `server`
 */
export async function drain(
  server: Server,
  listeners: Listener[] = [server],
  notice_ms = 0,
): Promise<void> {
  stopping.add(server);
  const cut_at = monotonicNow() + DRAIN_MS_MAX;
  if (notice_ms > 0) await sleep(notice_ms);
  const closed = Promise.all(
    listeners.map((one) => new Promise<void>((resolve) => one.close(() => resolve()))),
  );
  // A kept-alive connection becomes idle only when its answer has left: look again and again.
  const idle = setInterval(() => server.closeIdleConnections(), DRAIN_CHECK_MS);
  const cut = setTimeout(() => server.closeAllConnections(), cut_at - monotonicNow());
  await closed;
  clearInterval(idle);
  clearTimeout(cut);
}

// What the HTTP parser refuses never reaches Express, so the problem is written by hand.
function refuseRaw(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (!socket.writable || error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  const code = codeOf(error);
  const { status, title } = PROBLEMS[code];
  const request_id = newRequestId();
  const body = JSON.stringify(problemBody({ code, detail: `${title}.`, members: {} }, request_id));
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nX-Request-Id: ${request_id}\r\n` +
      `Content-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

function codeOf(error: NodeJS.ErrnoException): ProblemCode {
  if (error.code === "HPE_HEADER_OVERFLOW") return "HEADERS_TOO_LARGE";
  if (error.code === "ERR_HTTP_REQUEST_TIMEOUT") return "REQUEST_TIMEOUT";
  return "INVALID_REQUEST";
}
