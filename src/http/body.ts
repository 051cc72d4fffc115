import { isUtf8 } from "node:buffer";
import type { IncomingMessage } from "node:http";
import { BODY_BYTES_MAX } from "../domain/limits.ts";
import { Rejection } from "../domain/rejection.ts";

const JSON_TYPE = /^application\/json\s*(;\s*charset="?utf-8"?\s*)?$/i;
const STRING_TOKEN = /"(?:[^"\\]|\\.)*"(\s*:)?/g;

/**
 * Reads a request's JSON. Stricter than express.json where leniency could sell stock by accident: invalid
 * UTF-8 is refused and not replaced, and so is a body that names a member twice.
 * @throws Rejection UNSUPPORTED_MEDIA_TYPE, BODY_TOO_LARGE or INVALID_REQUEST
 */
export async function readJson(req: IncomingMessage): Promise<unknown> {
  const { "content-type": type, "content-encoding": encoding } = req.headers;
  if (!JSON_TYPE.test(type ?? "") || (encoding && encoding !== "identity")) {
    throw new Rejection(
      "UNSUPPORTED_MEDIA_TYPE",
      "Send Content-Type: application/json, UTF-8, without Content-Encoding.",
    );
  }
  const bytes = await readBytes(req);
  if (bytes.length === 0) throw invalid("The body is empty.");
  if (!isUtf8(bytes)) throw invalid("The body is not UTF-8.");
  const text = bytes.toString("utf8");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalid("The body is not JSON.");
  }
  if (namesTwice(text, value)) throw invalid("The body names a member twice.");
  return value;
}

function readBytes(req: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    req.on("data", (chunk: Buffer) => {
      length += chunk.length;
      if (length <= BODY_BYTES_MAX) chunks.push(chunk);
      else reject(tooLarge());
    });
    req.on("end", () =>
      resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)),
    );
    req.on("error", () => reject(invalid("The body ended early.")));
    req.on("close", () => reject(invalid("The body ended early.")));
    if (Number(req.headers["content-length"] ?? 0) > BODY_BYTES_MAX) reject(tooLarge());
  });
}

// JSON.parse keeps the last of two equal members. In text that did parse, a string token followed by a colon
// is a member's name; our bodies are flat objects, so there must be as many names as members.
function namesTwice(text: string, value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  let names = 0;
  for (const [, colon] of text.matchAll(STRING_TOKEN)) if (colon) names += 1;
  return names > countMembers(value);
}

// Bounded by the body's size, and by no recursion: a body may be nested as deeply as 16 kB allow.
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
const tooLarge = () =>
  new Rejection("BODY_TOO_LARGE", `The body is larger than ${BODY_BYTES_MAX} bytes.`);
