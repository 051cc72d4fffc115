import { once } from "node:events";
import { request as httpRequest, type OutgoingHttpHeaders } from "node:http";
import { connect, type Socket } from "node:net";
import { until } from "../../scripts/until.ts";

export type RawRequest = {
  method?: string;
  path?: string;
  headers?: OutgoingHttpHeaders;
  body?: string | Buffer;
  /** Sent in pieces, without Content-Length. */
  chunks?: (string | Buffer)[];
};

/** Sends what fetch would mend or refuse to send: no Content-Type, repeated headers, odd paths, any bytes. */
export async function send(url: string, { method = "POST", path = "/", ...more }: RawRequest) {
  const { headers = {}, body, chunks = body === undefined ? [] : [body] } = more;
  const request = httpRequest(`${url}${path}`, { method, headers, agent: false });
  if (body !== undefined) request.setHeader("Content-Length", Buffer.byteLength(body));
  // The server may answer and close before all of a body was sent; its answer is what counts.
  request.on("error", () => {});
  const answered = once(request, "response");
  const failed = once(request, "close").then(() => {
    throw new Error("no answer");
  });
  failed.catch(() => {});
  for (const chunk of chunks) request.write(chunk);
  request.end();
  const [response] = await Promise.race([answered, failed]);
  const parts: Buffer[] = [];
  for await (const part of response) parts.push(part);
  const text = Buffer.concat(parts).toString();
  return {
    status: Number(response.statusCode),
    headers: new Headers(response.headers),
    text,
    body: text === "" ? {} : (JSON.parse(text) as Record<string, unknown>), // an object, always
  };
}

export type RawAnswer = {
  status: number;
  headers: Headers;
  text: string;
  body: Record<string, unknown>;
};

/** A socket on which a test writes the bytes of requests itself, and reads the answers as they come. */
export async function openSocket(port: number) {
  const socket: Socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  let received = Buffer.alloc(0);
  let closed = false;
  socket.on("data", (part) => {
    received = Buffer.concat([received, Buffer.from(part)]);
  });
  socket.on("error", () => {}); // a cut connection is what some tests wait for
  socket.on("close", () => {
    closed = true;
  });
  socket.on("end", () => socket.end());
  await once(socket, "connect");
  return {
    write: (text: string) => void socket.write(text),
    /** Says that no more will come; answers still arrive. */
    end: () => socket.end(),
    /** Goes away without a word. */
    destroy: () => socket.resetAndDestroy(),
    received: () => received.toString("latin1"),
    /** The whole answers that have come so far. */
    answered: () => parseAnswers(received),
    /** Waits for so many whole answers. */
    answers: (count: number) =>
      until(`${count} answers`, () => {
        const answers = parseAnswers(received);
        if (answers.length >= count) return answers;
        if (closed) throw new Error(`closed after ${answers.length} of ${count} answers`);
        return undefined;
      }),
    closed: (msMax?: number) =>
      until("the server has closed the connection", () => closed || undefined, msMax),
  };
}

/** The head and body of a POST with JSON. */
export function jsonRequest(path: string, body: unknown, headers: Record<string, string> = {}) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const all = {
    Host: "test",
    "Content-Type": "application/json",
    "Content-Length": String(Buffer.byteLength(text)),
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `POST ${path} HTTP/1.1\r\n${lines.join("")}\r\n${text}`;
}

// Whole answers with a Content-Length, which all of ours have.
function parseAnswers(bytes: Buffer): RawAnswer[] {
  const answers: RawAnswer[] = [];
  for (let rest = bytes; ; ) {
    const headEnd = rest.indexOf("\r\n\r\n");
    if (headEnd < 0) return answers;
    const [statusLine = "", ...lines] = rest.subarray(0, headEnd).toString("latin1").split("\r\n");
    const headers = new Headers(
      lines.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1)]),
    );
    const bodyEnd = headEnd + 4 + Number(headers.get("content-length") ?? 0);
    if (rest.length < bodyEnd) return answers;
    const text = rest.subarray(headEnd + 4, bodyEnd).toString();
    const body = text.startsWith("{") ? (JSON.parse(text) as Record<string, unknown>) : {}; // so it is one
    answers.push({ status: Number(statusLine.split(" ")[1]), headers, text, body });
    rest = rest.subarray(bodyEnd);
  }
}
