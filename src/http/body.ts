import { isUtf8 } from "node:buffer";
import type { IncomingMessage } from "node:http";
import { BODY_BYTES_MAX } from "../domain/limits.ts";
import { Rejection } from "../domain/rejection.ts";

const JSON_TYPE = /^application\/json\s*(;\s*charset="?utf-8"?\s*)?$/i;
export const NDJSON_TYPE = /^application\/x-ndjson\s*(;\s*charset="?utf-8"?\s*)?$/i;

/**
 * Reads a request's JSON, of at most `bytes_max`. Stricter than express.json where leniency could sell stock
 * by accident: invalid UTF-8 is refused and not replaced, and so is a body that names a member twice.
 * @throws Rejection UNSUPPORTED_MEDIA_TYPE, BODY_TOO_LARGE or INVALID_REQUEST
 */
export async function readJson(req: IncomingMessage, bytes_max = BODY_BYTES_MAX): Promise<unknown> {
  if (!isOfType(req, JSON_TYPE)) {
    throw new Rejection(
      "UNSUPPORTED_MEDIA_TYPE",
      "Send Content-Type: application/json, UTF-8, without Content-Encoding.",
    );
  }
  return parseJson(await readBytes(req, bytes_max), "body");
}

/** Whether the body is said to be of this type, and not compressed. */
export function isOfType({ headers }: IncomingMessage, type: RegExp): boolean {
  const { "content-type": given = "", "content-encoding": encoding = "identity" } = headers;
  return type.test(given) && (encoding === "identity" || encoding === "");
}

/**
 * Reads the JSON of a whole body, or of a line of one.
 * @throws Rejection INVALID_REQUEST
 */
export function parseJson(bytes: Buffer, what: "body" | "line"): unknown {
  if (bytes.length === 0) throw invalid(`The ${what} is empty.`);
  if (!isUtf8(bytes)) throw invalid(`The ${what} is not UTF-8.`);
  const text = bytes.toString("utf8");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalid(`The ${what} is not JSON.`);
  }
  if (namesTwice(text, value)) throw invalid(`The ${what} names a member twice.`);
  return value;
}

/** Whether a request has a body, or says that it has. */
export const hasBody = ({ headers }: IncomingMessage) =>
  "transfer-encoding" in headers || Number(headers["content-length"] ?? 0) > 0;

function readBytes(req: IncomingMessage, bytes_max: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    req.on("data", (chunk: Buffer) => {
      length += chunk.length;
      if (length <= bytes_max) chunks.push(chunk);
      else reject(tooLarge(bytes_max));
    });
    req.on("end", () =>
      resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)),
    );
    req.on("error", () => reject(bodyEndedEarly()));
    req.on("close", () => reject(bodyEndedEarly()));
    if (Number(req.headers["content-length"] ?? 0) > bytes_max) reject(tooLarge(bytes_max));
    if (req.destroyed) reject(bodyEndedEarly()); // while we found out who calls
  });
}

// JSON.parse keeps the last of two equal members, so there must be as many names as members.
function namesTwice(text: string, value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  return countNames(text) > countMembers(value);
}

// In text that did parse, a colon outside of strings stands behind each member's name, and nowhere else. By
// the character, since each request pays for this.
function countNames(text: string): number {
  let count = 0;
  let in_string = false;
  for (let i = 0; i < text.length; i += 1) {
    const char = text[i];
    if (char === '"') in_string = !in_string;
    else if (!in_string && char === ":") count += 1;
    else if (char === "\\") i += 1; // outside of strings there is none
  }
  return count;
}

// Bounded by the body's size, and by no recursion: a body may be nested as deeply as that allows.
function countMembers(value: object): number {
  let count = 0;
  const open: object[] = [value];
  for (let next = open.pop(); next; next = open.pop()) {
    const members = Object.values(next);
    if (!Array.isArray(next)) count += members.length;
    for (const member of members) {
      if (typeof member === "object" && member !== null) open.push(member);
    }
  }
  return count;
}

const invalid = (detail: string) => new Rejection("INVALID_REQUEST", detail);
export const bodyEndedEarly = () => invalid("The body ended early.");
export const tooLarge = (bytes_max: number) =>
  new Rejection("BODY_TOO_LARGE", `The body is larger than ${bytes_max} bytes.`);
