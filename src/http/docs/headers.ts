import { isLimited } from "../limits/limits.ts";
import { idempotencyKey } from "../parse.ts";
import { canWait } from "../prefer.ts";
import type { AnswerSpec, RouteSpec } from "../route.ts";
import { type JsonSchema, requestSchema } from "./schema.ts";

export const REQUEST_ID_EXAMPLE = "0b3c9b0e-6f1c-4f0e-9d27-3d8f2b1c7a55";
/** The page at /docs sends a new key in its place (docs/initializer.js). */
const KEY_EXAMPLE = "new-for-each-request";

type Header = { description: string; required: boolean; schema: JsonSchema };
type Ref = { $ref: string };

/** The headers of answers, as components of the document. */
export const ANSWER_HEADERS = {
  "X-Request-Id": {
    description: "The request's id, yours if you sent one. It is in our logs and events, too.",
    required: true,
    schema: { type: "string", example: REQUEST_ID_EXAMPLE },
  },
  "Idempotent-Replayed": {
    description:
      "This is the answer to an earlier request with the same key: nothing was done now.",
    required: false,
    schema: { type: "string", const: "true" },
  },
  ETag: {
    description: "Send it as If-None-Match, to hear 304 as long as nothing has changed.",
    required: true,
    schema: { type: "string", example: '"WhJjbY0xJtHtVRgVPGT2-w"' },
  },
  "X-Projection-Lag-ms": {
    description: "How far what was read is behind what was decided. 0: not at all.",
    required: true,
    schema: { type: "integer", minimum: 0, example: 0 },
  },
  "Preference-Applied": {
    description: "What of your Prefer was done: it is recorded.",
    required: false,
    schema: { type: "string", example: "wait=5" },
  },
  Allow: {
    description: "The methods that this address knows.",
    required: true,
    schema: { type: "string", example: "GET, HEAD" },
  },
  "WWW-Authenticate": {
    description: 'How to say who you are; with `error="invalid_token"` when a token was there.',
    required: true,
    schema: { type: "string", example: "Bearer" },
  },
  "Retry-After": {
    description: "Seconds after which to ask again.",
    required: true,
    schema: { type: "integer", minimum: 1, example: 2 },
  },
  RateLimit: {
    description:
      "With rate limits: how many requests are left right now, and after how many seconds all are.",
    required: false,
    schema: { type: "string", example: '"caller";r=197;t=1' },
  },
  "RateLimit-Policy": {
    description:
      "With rate limits: how many requests may come at once, and in how many seconds as many come in anew.",
    required: false,
    schema: { type: "string", example: '"caller";q=200;w=2' },
  },
} satisfies Record<string, Header>;
export type AnswerHeader = keyof typeof ANSWER_HEADERS;

const header = (name: string, required: boolean, schema: JsonSchema, description: string) => ({
  name,
  in: "header",
  required,
  schema,
  description,
});

const keyHeader = (required: boolean) => ({
  ...header(
    "Idempotency-Key",
    required,
    requestSchema(idempotencyKey),
    "A word of your own for this one request: the same when you ask again, new for any other. Bare, or in quotes. (The page at /docs sends a new one in place of the example.)",
  ),
  example: KEY_EXAMPLE,
});

/** The headers of requests, as components of the document. */
export const REQUEST_HEADERS = {
  KeyRequired: keyHeader(true),
  KeyOptional: keyHeader(false),
  IfMatch: header(
    "If-Match",
    false,
    { type: "string", pattern: '^("[0-9]{1,15}"|[0-9]{1,15}|\\*)$' },
    'Do it only if this is still its version, as in "7".',
  ),
  IfNoneMatch: header(
    "If-None-Match",
    false,
    { type: "string" },
    "The ETag of the answer you have. As long as that is right, the answer is 304.",
  ),
  Prefer: header(
    "Prefer",
    false,
    { type: "string" },
    "`wait=5`: answer when it is recorded in Postgres, or after so many seconds, at most 10. Then the answer has `recorded`: 200 and true, or 202 and false (RFC 7240).",
  ),
  RequestId: header(
    "X-Request-Id",
    false,
    { type: "string" },
    "Your id of this request: 1 to 128 of A-Z a-z 0-9 . _ : -",
  ),
};

/** References to headers of answers. */
export const answerHeaders = (...names: AnswerHeader[]): Record<string, Ref> =>
  Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));

/** The headers of a route's good answer. */
export function headersOf(spec: RouteSpec, { headers = {} }: Pick<AnswerSpec, "headers"> = {}) {
  const own = Object.entries(headers).map(([name, description]): [string, Header] => [
    name,
    { description, required: true, schema: { type: "string" } },
  ]);
  return {
    ...answerHeaders("X-Request-Id"),
    ...(isLimited(spec) ? answerHeaders("RateLimit", "RateLimit-Policy") : {}),
    ...(spec.idempotency_key ? answerHeaders("Idempotent-Replayed") : {}),
    ...(spec.projection ? answerHeaders("ETag", "X-Projection-Lag-ms") : {}),
    ...(canWait(spec) ? answerHeaders("Preference-Applied") : {}),
    ...Object.fromEntries(own),
  };
}

/** References to the headers that a route understands. */
export function headerParametersOf(spec: RouteSpec): Ref[] {
  const { idempotency_key, if_match, projection } = spec;
  const names: (keyof typeof REQUEST_HEADERS)[] = [
    ...(idempotency_key === "REQUIRED" ? ["KeyRequired" as const] : []),
    ...(idempotency_key === "OPTIONAL" ? ["KeyOptional" as const] : []),
    ...(if_match ? ["IfMatch" as const] : []),
    ...(projection ? ["IfNoneMatch" as const] : []),
    ...(canWait(spec) ? ["Prefer" as const] : []),
    "RequestId",
  ];
  return names.map((name) => ({ $ref: `#/components/parameters/${name}` }));
}
