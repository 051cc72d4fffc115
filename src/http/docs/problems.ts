import { z } from "zod";
import { camelCasedName } from "../camel-case.ts";
import { isLimited } from "../limits/limits.ts";
import { problemBody } from "../problem.ts";
import { PROBLEMS, type ProblemCode } from "../problem-kinds.ts";
import type { RouteSpec } from "../route.ts";
import { type AnswerHeader, answerHeaders, REQUEST_ID_EXAMPLE } from "./headers.ts";
import { problemMembers } from "./problem-members.ts";
import { answerSchema, exampleOf, type JsonSchema } from "./schema.ts";

const isOfV1 = ({ path }: RouteSpec) => path.startsWith("/v1/");
const isOfInventory = (spec: RouteSpec) => isOfV1(spec) || spec.path.startsWith("/holds/");

/** The problems that a route has by what it is, beside those it names itself. */
const COMMON: { when: (spec: RouteSpec) => boolean; codes: ProblemCode[] }[] = [
  {
    when: () => true,
    codes: ["INVALID_REQUEST", "HEADERS_TOO_LARGE", "REQUEST_TIMEOUT", "INTERNAL_ERROR"],
  },
  {
    when: ({ roles }) => roles !== "PUBLIC",
    codes: ["UNAUTHENTICATED", "FORBIDDEN", "STORE_UNAVAILABLE"],
  },
  { when: isLimited, codes: ["RATE_LIMITED"] },
  {
    when: ({ body, body_types }) => body !== undefined || body_types !== undefined,
    codes: ["BODY_TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE"],
  },
  {
    when: ({ idempotency_key }) => idempotency_key !== undefined,
    codes: ["IDEMPOTENCY_KEY_REUSED"],
  },
  {
    when: ({ idempotency_key }) => idempotency_key === "REQUIRED",
    codes: ["IDEMPOTENCY_KEY_MISSING"],
  },
  { when: ({ if_match }) => if_match === true, codes: ["VERSION_CONFLICT"] },
  {
    when: isOfInventory,
    codes: ["STORE_UNAVAILABLE", "OVERLOADED", "RECOVERING", "CORRUPT_STOCK"],
  },
  {
    when: (spec) => isOfInventory(spec) && spec.method !== "GET",
    codes: ["OUTCOME_UNKNOWN"],
  },
];
/** What any address may answer, if it is none or knows no such method. */
const ANYWHERE: ProblemCode[] = ["NOT_FOUND", "METHOD_NOT_ALLOWED"];

/** Problems of one status, which a route answers; under /v1 their members have other names. */
type Refusal = { codes: ProblemCode[]; v1: boolean };

function refusalsOf(spec: RouteSpec): Refusal[] {
  const common = COMMON.flatMap(({ when, codes }) => (when(spec) ? codes : []));
  const codes = [...new Set([...(spec.problems ?? []), ...common])].sort();
  const by_status = Map.groupBy(codes, (code) => PROBLEMS[code].status);
  return [...by_status.values()].map((codes) => ({ codes, v1: isOfV1(spec) }));
}

/** A route's answers that are problems, by status. Many routes have the same, so these are components. */
export function problemAnswersOf(spec: RouteSpec): Record<string, { $ref: string }> {
  const answers = refusalsOf(spec).map((refusal) => [
    refusal.codes.map((code) => PROBLEMS[code].status)[0],
    { $ref: `#/components/responses/${nameOf(refusal)}` },
  ]);
  return Object.fromEntries(answers);
}

/** The components that the problems of these routes are made of. */
export function problemComponents(specs: RouteSpec[]) {
  const all = [
    ...ANYWHERE.map((code) => ({ codes: [code], v1: false })),
    ...specs.flatMap(refusalsOf),
  ];
  const refusals = new Map(all.map((refusal) => [nameOf(refusal), refusal]));
  const responses = [...refusals].map(([name, refusal]) => [name, responseOf(refusal)] as const);
  const schemas = [...refusals.values()].flatMap(({ codes, v1 }) =>
    codes.map((code) => [schemaName(code, v1), schemaOf(code, v1)] as const),
  );
  return {
    schemas: { Problem: PROBLEM, ...Object.fromEntries(schemas) },
    responses: Object.fromEntries(responses),
  };
}

const nameOf = ({ codes, v1 }: Refusal) => codes.map((code) => schemaName(code, v1)).join(".");
const schemaName = (code: ProblemCode, v1: boolean) =>
  v1 && JSON.stringify(membersOf(code, true)) !== JSON.stringify(membersOf(code, false))
    ? `${code}_v1`
    : code;

function responseOf({ codes, v1 }: Refusal) {
  const says = codes.map((code) => {
    const { title, remedy } = PROBLEMS[code];
    return `\`${code}\` ${title}. ${remedy.replaceAll("<", "\\<")}`; // Markdown, not HTML
  });
  const schemas = codes.map((code) => ({ $ref: `#/components/schemas/${schemaName(code, v1)}` }));
  return {
    description: says.join("\n\n"),
    headers: answerHeaders(
      ...(["X-Request-Id", "RateLimit", "RateLimit-Policy"] as const),
      ...codes.flatMap((code) => MORE_HEADERS[PROBLEMS[code].status] ?? []),
    ),
    content: {
      "application/problem+json": {
        schema: schemas.length === 1 ? schemas[0] : { oneOf: schemas },
        examples: Object.fromEntries(codes.map((code) => [code, exampleFor(code, v1)])),
      },
    },
  };
}

/** What all problems of a status have. */
const MORE_HEADERS: Record<number, AnswerHeader[]> = {
  401: ["WWW-Authenticate"],
  405: ["Allow"],
  429: ["Retry-After"],
  503: ["Retry-After"],
};

function exampleFor(code: ProblemCode, v1: boolean) {
  const { title } = PROBLEMS[code];
  const members = z.record(z.string(), z.unknown()).parse(exampleOf(membersOf(code, v1)));
  const value = problemBody({ code, detail: `${title}.`, members }, REQUEST_ID_EXAMPLE);
  return { summary: `${code}: ${title}`, value };
}

function schemaOf(code: ProblemCode, v1: boolean): JsonSchema {
  const { status, title } = PROBLEMS[code];
  const { properties, required = [] } = membersOf(code, v1);
  const own: JsonSchema = {
    type: "object",
    properties: { code: { const: code }, status: { const: status }, ...properties },
    required,
  };
  return { title, allOf: [{ $ref: "#/components/schemas/Problem" }, own] };
}

const MEMBERS = problemMembers((name) => name);
const V1_MEMBERS = problemMembers(camelCasedName);
function membersOf(code: ProblemCode, v1: boolean): JsonSchema {
  const members = (v1 ? V1_MEMBERS : MEMBERS)[code] ?? NO_MEMBERS;
  const known = made.get(members) ?? answerSchema(members);
  made.set(members, known);
  return known;
}
const NO_MEMBERS = z.object({});
const made = new Map<z.ZodObject, JsonSchema>(); // a hundred answers are made of these few

const PROBLEM: JsonSchema = {
  type: "object",
  description: "A refusal or a failure (RFC 9457).",
  properties: {
    type: { type: "string", description: "The address of a page that explains it." },
    title: { type: "string" },
    status: { type: "integer" },
    detail: { type: "string", description: "What happened, in a sentence for people." },
    code: { type: "string", description: "What happened, for programs. A code never changes." },
    message: { type: "string", description: "The same as detail." },
    instance: { type: "string", description: "The request's id, as in X-Request-Id." },
  },
  required: ["type", "title", "status", "detail", "code", "message", "instance"],
};
