import { z } from "zod";
import { BODY_BYTES_MAX } from "../domain/limits.ts";
import { accessOf, SECURITY_SCHEMES } from "./docs/access.ts";
import { ANSWER_HEADERS, headerParametersOf, headersOf, REQUEST_HEADERS } from "./docs/headers.ts";
import { INTRODUCTION } from "./docs/introduction.ts";
import { problemAnswersOf, problemComponents } from "./docs/problems.ts";
import { answerSchema, exampleOf, requestSchema } from "./docs/schema.ts";
import { canWait } from "./prefer.ts";
import type { AnswerSpec, Route, RouteSpec } from "./route.ts";

/** What these routes are, as an OpenAPI 3.1 document. What is parsed and what is described is one schema. */
export function createDocument(routes: Route[]) {
  const specs = routes.map(({ spec }) => spec);
  const by_path = Map.groupBy(specs, ({ path }) => path);
  const paths = [...by_path].map(
    ([path, of_path]) => [path, Object.fromEntries(of_path.map(operationOf))] as const,
  );
  return {
    openapi: "3.1.0",
    info: INTRODUCTION,
    servers: [{ url: "/" }],
    tags: [...new Set(specs.map(({ tag }) => tag))].map((name) => ({ name })),
    paths: Object.fromEntries(paths),
    components: {
      ...problemComponents(specs),
      parameters: REQUEST_HEADERS,
      headers: ANSWER_HEADERS,
      securitySchemes: SECURITY_SCHEMES,
    },
  };
}

function operationOf(spec: RouteSpec) {
  const { method, tag, summary } = spec;
  const operation = {
    operationId: operationIdOf(spec),
    tags: [tag],
    summary,
    ...accessOf(spec),
    parameters: [
      ...parametersOf("path", spec.params),
      ...parametersOf("query", spec.query, spec.query_example),
      ...headerParametersOf(spec),
    ],
    ...requestBodyOf(spec),
    responses: { ...goodAnswersOf(spec), ...problemAnswersOf(spec) },
  };
  return [method.toLowerCase(), operation] as const;
}

// `POST /v1/reservations/{id}:confirm` is postV1ReservationsIdConfirm.
function operationIdOf({ method, path }: RouteSpec): string {
  const words = path.match(/[A-Za-z0-9]+/g) ?? [];
  const capitalized = words.map((word) => word.charAt(0).toUpperCase() + word.slice(1));
  return method.toLowerCase() + capitalized.join("");
}

function parametersOf(
  place: "path" | "query",
  schema: z.ZodObject | undefined,
  examples: Record<string, unknown> = {},
) {
  if (!schema) return [];
  const { properties = {}, required = [] } = requestSchema(schema);
  return Object.entries(properties).map(([name, property]) => {
    const { description, example, ...rest } = typeof property === "object" ? property : {};
    const needed = required.includes(name);
    const given = examples[name] ?? (needed ? (example ?? exampleOf(rest)) : undefined);
    // The page fills in what is a parameter's example. A filter is better left out at first.
    const shown = given === undefined && example !== undefined ? { examples: [example] } : {};
    return {
      name,
      in: place,
      required: needed,
      ...(description === undefined ? {} : { description }),
      schema: { ...rest, ...shown },
      ...(given === undefined ? {} : { example: given }),
    };
  });
}

function requestBodyOf(spec: RouteSpec) {
  const { body, body_example, body_types = {}, body_bytes_max = BODY_BYTES_MAX } = spec;
  if (!body) return {};
  const schema = requestSchema(body);
  const others = Object.entries(body_types).map(([type, { description, example }]) => [
    type,
    { schema: { type: "string", description }, example },
  ]);
  return {
    requestBody: {
      description: `At most ${body_bytes_max / 1024} kB.`,
      required: !body.safeParse({}).success, // as route.ts has it
      content: {
        "application/json": { schema, example: body_example ?? exampleOf(schema) },
        ...Object.fromEntries(others),
      },
    },
  };
}

const recorded = z.boolean().optional().meta({ description: "With `Prefer: wait` only." });

/** The good answers of a route, those under `Prefer: wait` among them. */
function answersOf(spec: RouteSpec): Record<number, AnswerSpec> {
  const [either] = Object.values(spec.answers);
  if (!canWait(spec) || !either) return spec.answers;
  const waited = ([200, 202] as const).map((status) => {
    const answer = spec.answers[status] ?? either;
    const body =
      answer.body instanceof z.ZodObject ? answer.body.extend({ recorded }) : answer.body;
    return [status, { ...answer, body }] as const;
  });
  return { ...spec.answers, ...Object.fromEntries(waited) };
}

function goodAnswersOf(spec: RouteSpec) {
  const answers = Object.entries(answersOf(spec)).map(([status, answer]) => {
    const { description } = answer;
    return [
      status,
      { description, headers: headersOf(spec, answer), ...contentOf(answer) },
    ] as const;
  });
  if (spec.projection) {
    const description = "Nothing has changed since the answer that If-None-Match names.";
    answers.push(["304", { description, headers: headersOf(spec) }]);
  }
  return Object.fromEntries(answers);
}

function contentOf({ body, example }: AnswerSpec) {
  if (body === undefined) return {};
  if (typeof body === "string") {
    const media = {
      schema: { type: "string" as const },
      ...(example === undefined ? {} : { example }),
    };
    return { content: { [body]: media } };
  }
  const schema = answerSchema(body);
  return {
    content: { "application/json": { schema, example: example ?? exampleOf(schema, true) } },
  };
}
