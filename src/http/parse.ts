import type { Request } from "express";
import { z } from "zod";
import { IDEMPOTENCY_KEY_CHARS_MAX } from "../domain/limits.ts";
import { Rejection } from "../domain/rejection.ts";

/** Printable ASCII: it becomes part of a key, and must survive a header. */
export const idempotencyKey = z
  .string()
  .regex(
    new RegExp(`^[\\x20-\\x7e]{1,${IDEMPOTENCY_KEY_CHARS_MAX}}$`),
    `must be 1 to ${IDEMPOTENCY_KEY_CHARS_MAX} printable ASCII characters`,
  );

/** Text from people and other systems: well-formed, without control characters, which Postgres may refuse. */
export const text = (chars_max: number) =>
  z
    .string()
    .regex(
      new RegExp(`^[^\\p{Cc}\\p{Cs}]{1,${chars_max}}$`, "u"),
      `must be 1 to ${chars_max} characters, none of them a control character`,
    );

/** Where in a request a value stands: says how its members are pointed at. */
export type Place = "body" | "query" | "path";

/** @throws Rejection INVALID_REQUEST that names every bad member */
export function parse<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  place: Place = "body",
): z.infer<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const errors = parsed.error.issues.flatMap((issue) =>
    issue.code === "unrecognized_keys"
      ? issue.keys.map((key) => ({
          pointer: pointerTo(place, [...issue.path, key]),
          detail: place === "body" ? "is not a known member" : "is not a known parameter",
        }))
      : [{ pointer: pointerTo(place, issue.path), detail: issue.message }],
  );
  const [first] = errors;
  throw new Rejection("INVALID_REQUEST", `${first?.pointer}: ${first?.detail}`, { errors });
}

/**
 * The Idempotency-Key header, bare or as a quoted string; undefined when there is none.
 * @throws Rejection INVALID_REQUEST when it is sent twice or is not a key
 */
export function idempotencyKeyHeader(req: Request): string | undefined {
  const value = req.headers["idempotency-key"];
  if (typeof value !== "string" || value === "") return undefined;
  // Node joins repeated headers with a comma.
  if (value.includes(",") && (req.headersDistinct["idempotency-key"]?.length ?? 0) > 1) {
    throw invalidHeader("is sent twice");
  }
  const key = value.startsWith('"') ? unquote(value) : value;
  if (!idempotencyKey.safeParse(key).success) {
    throw invalidHeader(`must be 1 to ${IDEMPOTENCY_KEY_CHARS_MAX} printable ASCII characters`);
  }
  return key;
}

// A structured field's string (RFC 9651): only the quote and the backslash are escaped.
function unquote(value: string): string {
  if (!/^"(?:[^"\\]|\\["\\])*"$/.test(value)) throw invalidHeader("is not a well-formed string");
  return value.slice(1, -1).replaceAll(/\\(["\\])/g, "$1");
}

const invalidHeader = (detail: string) =>
  new Rejection("INVALID_REQUEST", `The Idempotency-Key header ${detail}.`);

/**
 * The version that If-Match names, `"7"` or bare; undefined when there is none, or when any will do (`*`).
 * @throws Rejection INVALID_REQUEST when it is no version
 */
export function ifMatchHeader(req: Request): number | undefined {
  const value = req.headers["if-match"];
  if (value === undefined || value === "*") return undefined;
  const [, quoted, bare] = /^(?:"([0-9]{1,15})"|([0-9]{1,15}))$/.exec(value) ?? [];
  const digits = quoted ?? bare;
  if (digits !== undefined) return Number(digits);
  throw new Rejection("INVALID_REQUEST", 'The If-Match header must be one version, as in "7".');
}

// In a body a JSON pointer (RFC 6901), in an address the parameter's name.
function pointerTo(place: Place, path: PropertyKey[]): string {
  if (place === "query") return `?${path.map(String).join("/")}`;
  if (place === "path") return `{${path.map(String).join("/")}}`;
  const parts = path.map((part) => String(part).replaceAll("~", "~0").replaceAll("/", "~1"));
  return `#${parts.map((part) => `/${part}`).join("")}`;
}
