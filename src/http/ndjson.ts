import type { IncomingMessage } from "node:http";
import { Rejection } from "../domain/rejection.ts";
import { bodyEndedEarly, parseJson, tooLarge } from "./body.ts";

const NEWLINE = 0x0a;
const BLANK = /^\s*$/;

/** A line of a request, numbered from 1 as an editor shows it. */
export type RequestLine = {
  number: number;
  /** @throws Rejection INVALID_REQUEST when the line is no JSON */
  read: () => unknown;
};

export type LineLimits = { bytes_max: number; line_bytes_max: number; lines_max: number };

/**
 * The lines of a body as they come in, but for blank ones.
 * @throws Rejection once there are too many bytes or lines, behind those that were not too many
 */
export async function* readLines(
  req: IncomingMessage,
  limits: LineLimits,
): AsyncGenerator<RequestLine> {
  const { bytes_max, line_bytes_max, lines_max } = limits;
  if (Number(req.headers["content-length"] ?? 0) > bytes_max) throw tooLarge(bytes_max);
  let count = 0;
  for await (const { number, bytes, too_long } of splitLines(req, limits)) {
    if (!too_long && BLANK.test(bytes.toString("latin1"))) continue;
    count += 1;
    if (count > lines_max) throw stopped(tooManyLines(lines_max), number);
    yield { number, read: () => jsonOf(bytes, too_long ? line_bytes_max : undefined) };
  }
}

/**
 * The same of a list that came as a whole.
 * @throws Rejection INVALID_REQUEST when it is none, or too long
 */
export function listLines(list: unknown, lines_max: number): RequestLine[] {
  if (!Array.isArray(list)) throw new Rejection("INVALID_REQUEST", "The body is not a list.");
  if (list.length > lines_max) throw tooManyLines(lines_max);
  return list.map((value: unknown, i) => ({ number: i + 1, read: () => value }));
}

/**
 * Reads what nobody wants, until the server's timeout at most. When the connection is closed with something
 * unread, the caller may never get to our answer.
 */
export async function discardRest(req: IncomingMessage): Promise<void> {
  if (req.readableEnded || req.destroyed) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  req.once("end", resolve).once("error", resolve).once("close", resolve).resume();
  await promise;
}

type Bytes = { number: number; bytes: Buffer; too_long: boolean };

async function* splitLines(req: IncomingMessage, limits: LineLimits): AsyncGenerator<Bytes> {
  const { bytes_max, line_bytes_max } = limits;
  let number = 1;
  let parts: Buffer[] = [];
  let length = 0;
  let total = 0;

  // Of a line that is too long only its length is kept.
  function add(part: Buffer) {
    length += part.length;
    if (length <= line_bytes_max) parts.push(part);
  }
  function end(): Bytes {
    const line = { number, bytes: Buffer.concat(parts), too_long: length > line_bytes_max };
    [number, parts, length] = [number + 1, [], 0];
    return line;
  }

  for await (const chunk of chunksOf(req)) {
    const bytes = chunk.subarray(0, bytes_max - total);
    total += chunk.length;
    let start = 0;
    for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, start)) {
      add(bytes.subarray(start, at));
      start = at + 1;
      yield end();
    }
    add(bytes.subarray(start));
    if (total > bytes_max) throw stopped(tooLarge(bytes_max), number);
  }
  if (length > 0) yield end();
}

// Left to itself, the iteration would cut the connection when it is left early, before our answer is out.
async function* chunksOf(req: IncomingMessage): AsyncGenerator<Buffer> {
  const chunks = req.iterator({ destroyOnReturn: false });
  try {
    for await (const chunk of chunks) yield chunk;
  } catch {
    throw bodyEndedEarly();
  }
}

function jsonOf(bytes: Buffer, exceeded: number | undefined): unknown {
  if (exceeded === undefined) return parseJson(bytes, "line");
  throw new Rejection("INVALID_REQUEST", `The line is longer than ${exceeded} bytes.`);
}

const tooManyLines = (lines_max: number) =>
  new Rejection("INVALID_REQUEST", `There are more than ${lines_max} lines.`);

const stopped = ({ code, detail }: Rejection, line: number) =>
  new Rejection(code, `${detail} Nothing from line ${line} on was looked at.`, { line });
