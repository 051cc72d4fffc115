import { describe, expect, test } from "@jest/globals";
import { absentDeps, describeRoutes } from "../../scripts/describe-routes.ts";
import { documentText, lookUp, type Operation, readDocument } from "../../scripts/read-document.ts";
import { createApp } from "../../src/http/app.ts";
import { PROBLEMS, type ProblemCode } from "../../src/http/problem-kinds.ts";
import { createConforms } from "./contract-schemas.ts";

const CODES = Object.keys(PROBLEMS) as ProblemCode[]; // Object.keys forgets the literals
const EVERYWHERE = ["HEADERS_TOO_LARGE", "INTERNAL_ERROR", "INVALID_REQUEST", "REQUEST_TIMEOUT"];

const routes = describeRoutes();
const text = documentText();
const document: unknown = JSON.parse(text);
const { operations, schemas } = readDocument();
const conforms = createConforms(schemas);
const nameOf = ({ method, path }: Operation) => `${method} ${path}`;
const named = operations.map((operation) => [nameOf(operation), operation] as const);

/** Every object in the document, with where it stands. */
function* objectsIn(node: unknown, place = "#"): Generator<[string, Record<string, unknown>]> {
  if (typeof node !== "object" || node === null) return;
  if (!Array.isArray(node)) yield [place, { ...node }];
  for (const [name, part] of Object.entries(node)) yield* objectsIn(part, `${place}/${name}`);
}

const problemsOf = (operation: Operation) =>
  Object.values(operation.responses).flatMap(({ content }) =>
    Object.keys(content["application/problem+json"]?.examples ?? {}),
  );
const routeOf = ({ method, path }: Operation) =>
  routes.find(({ spec }) => spec.path === path && spec.method === method);
const operationAt = (name: string) => {
  const found = operations.find((operation) => nameOf(operation) === name);
  if (!found) throw new Error(`no ${name}`);
  return found;
};

describe("the document", () => {
  test("has every route of the app, with its methods, and no other", () => {
    // As Express has them: `/v1/reservations/:id\:confirm`.
    const mounted = createApp(absentDeps()).router.stack.flatMap(({ route }) => {
      const path = route?.path.replaceAll(/(?<!\\):(\w+)/g, "{$1}").replaceAll("\\:", ":");
      const methods = route?.stack.flatMap(({ method }) => method?.toUpperCase() ?? []) ?? [];
      return methods.map((method) => `${method} ${path}`);
    });
    expect(mounted.length).toBeGreaterThan(35);
    expect(operations.map(nameOf).sort()).toEqual(mounted.sort());
  });

  test("is OpenAPI 3.1, and refers to nothing that is not in it", () => {
    expect(document).toMatchObject({
      openapi: "3.1.0",
      info: { title: "Holdfast", version: expect.stringMatching(/^\d+\.\d+\.\d+$/) },
      servers: [{ url: "/" }],
    });
    const refs = [...objectsIn(document)].flatMap(([, { $ref }]) => $ref ?? []);
    expect(refs.length).toBeGreaterThan(100);
    for (const ref of new Set(refs)) expect(lookUp(document, String(ref))).toBeDefined();
  });

  test("defines nothing that is of no use to it", () => {
    const defined = [...objectsIn(lookUp(document, "#/components"), "#/components")]
      .map(([place]) => place)
      .filter((place) => place.split("/").length === 4);
    // Any address may answer these, also one that is not in the document.
    const general = [
      "#/components/responses/NOT_FOUND",
      "#/components/responses/METHOD_NOT_ALLOWED",
      "#/components/securitySchemes/bearer", // operations name it without an address
    ];
    const used = (ref: string) => text.includes(JSON.stringify(ref)) || general.includes(ref);
    expect(defined.filter((ref) => !used(ref))).toEqual([]);
  });

  test("has no encoded texts, for which swagger-ui would show nothing", () => {
    const encoded = [...objectsIn(document)].filter(([, node]) => "contentEncoding" in node);
    expect(encoded.map(([place]) => place)).toEqual([]);
  });

  test("is the same each time it is made", () => expect(documentText()).toBe(text));

  test("gives each operation an id of its own", () => {
    const ids = operations.map(({ operationId }) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.filter((id) => !/^(get|post|put|patch|delete)[A-Z]\w+$/.test(id))).toEqual([]);
    expect(operationAt("POST /v1/reservations/{id}:confirm").operationId).toBe(
      "postV1ReservationsIdConfirm",
    );
  });

  test("keeps answers open for further members, and lets requests have none", () => {
    const places = [...objectsIn(document)].filter(
      ([place, { type, properties }]) =>
        type === "object" && properties !== undefined && !place.includes("/example"),
    );
    const isRequest = (place: string) => place.includes("/requestBody/");
    const closed = places.filter(([, schema]) => schema.additionalProperties === false);
    expect(closed.length).toBeGreaterThan(10);
    expect(closed.map(([place]) => place)).toEqual(
      places.map(([place]) => place).filter(isRequest),
    );
  });
});

describe.each(named)("%s", (_, operation) => {
  test("has a summary, a tag, and parameters that say what they are", () => {
    expect(operation.summary).toMatch(/^[A-Z].*[^.]$/);
    const inPath = [...operation.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    const ofPath = operation.parameters.filter((parameter) => parameter.in === "path");
    expect(ofPath.map(({ name }) => name)).toEqual(inPath);
    for (const { schema, required, example } of operation.parameters) {
      expect(Object.keys(schema)).toEqual(
        expect.arrayContaining(["enum" in schema ? "enum" : "type"]),
      );
      if (required) expect(example).toBeDefined();
      if (example !== undefined) expect(conforms(example, schema)).toBeUndefined();
    }
    expect(ofPath.filter(({ required }) => !required)).toEqual([]);
  });

  test("has an example of its body, as its parser takes it", () => {
    const route = routeOf(operation);
    const json = operation.requestBody?.content["application/json"];
    expect(json === undefined).toBe(route?.spec.body === undefined);
    if (!json) return;
    expect(route?.spec.body?.safeParse(json.example)).toMatchObject({ success: true });
    expect(conforms(json.example, json.schema)).toBeUndefined();
    for (const { example } of Object.values(operation.requestBody?.content ?? {})) {
      expect(example).toBeDefined();
    }
  });

  test("has a good answer, and an example of each that is JSON", () => {
    const answers = routeOf(operation)?.spec.answers ?? {};
    for (const [status, { description }] of Object.entries(answers)) {
      expect(operation.responses[status]?.description).toBe(description);
    }
    const good = Object.entries(operation.responses).filter(([status]) => status.startsWith("2"));
    expect(good.length).toBeGreaterThan(0);
    for (const [, { description, content }] of Object.entries(operation.responses)) {
      expect(description).toMatch(/\S/);
      const json = content["application/json"];
      if (json)
        expect([json.example, conforms(json.example, json.schema)]).toEqual([
          expect.anything(),
          undefined,
        ]);
    }
  });

  test("has problems, an example of each, and no other codes", () => {
    expect(problemsOf(operation)).toEqual(expect.arrayContaining(EVERYWHERE));
    for (const [status, { content }] of Object.entries(operation.responses)) {
      const problem = content["application/problem+json"];
      if (!problem) continue;
      const codes = Object.keys(problem.examples ?? {});
      expect(codes.length).toBeGreaterThan(0);
      for (const [code, { value }] of Object.entries(problem.examples ?? {})) {
        expect(conforms(value, problem.schema)).toBeUndefined();
        expect(value).toMatchObject({ code, status: Number(status) });
      }
      const body = Object.values(problem.examples ?? {})[0]?.value;
      const others = CODES.filter((code) => !codes.includes(code));
      for (const code of others) {
        expect(conforms({ ...Object(body), code }, problem.schema)).toBeDefined();
      }
    }
  });
});

describe("the problems a route has by what it is", () => {
  const WRITE = ["OUTCOME_UNKNOWN", "IDEMPOTENCY_KEY_REUSED"];
  const BODY = ["BODY_TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE"];
  const STORE = ["CORRUPT_STOCK", "OVERLOADED", "RECOVERING", "STORE_UNAVAILABLE"];
  const ALL = [
    ...EVERYWHERE,
    ...STORE,
    ...BODY,
    ...WRITE,
    "IDEMPOTENCY_KEY_MISSING",
    "VERSION_CONFLICT",
  ];

  test.each([
    ["GET /health", EVERYWHERE],
    ["GET /v1/products", [...EVERYWHERE, ...STORE]],
    ["DELETE /v1/products/{sku}", ALL.filter((code) => !BODY.includes(code))],
    ["POST /v1/items:set-absolute", ALL],
    ["POST /holds/cancel", [...EVERYWHERE, ...STORE, ...BODY, ...WRITE]],
  ])("%s has them", (name, codes) => {
    const problems = problemsOf(operationAt(name)).filter((code) => ALL.includes(code));
    expect(problems.sort()).toEqual(codes.sort());
  });

  test("tell their members in the spelling of the door they come through", () => {
    const exampleAt = (name: string) =>
      operationAt(name).responses[409]?.content["application/problem+json"]?.examples
        ?.HOLD_CANCELLED?.value;
    expect(exampleAt("POST /holds/confirm")).toHaveProperty("hold_id");
    expect(exampleAt("POST /v1/reservations/{id}:confirm")).toHaveProperty("reservationId");
  });
});

test("headers are where they are sent", () => {
  const headersAt = (name: string, status: number) =>
    Object.keys(operationAt(name).responses[status]?.headers ?? {});
  const ID = "X-Request-Id";
  const ALL = [ID, "RateLimit", "RateLimit-Policy"];
  const READ = [...ALL, "ETag", "X-Projection-Lag-ms"];
  expect(headersAt("POST /holds/reserve", 201)).toEqual([
    ...ALL,
    ...["Idempotent-Replayed", "Location"],
  ]);
  expect(headersAt("GET /v1/reservations", 200)).toEqual(READ);
  expect(headersAt("GET /v1/reservations", 304)).toEqual(READ);
  expect(headersAt("GET /v1/reservations", 503)).toEqual([...ALL, "Retry-After"]);
  expect(headersAt("GET /v1/reservations", 429)).toEqual([...ALL, "Retry-After"]);
  expect(headersAt("GET /health", 200)).toEqual([ID]);
  const understood = (name: string) =>
    operationAt(name).parameters.flatMap((parameter) =>
      parameter.in === "header" ? [[parameter.name, parameter.required]] : [],
    );
  expect(understood("PUT /v1/products/{sku}")).toEqual([
    ["Idempotency-Key", true],
    ["If-Match", false],
    ["Prefer", false],
    [ID, false],
  ]);
  expect(understood("POST /holds/reserve")).toEqual([
    ["Idempotency-Key", false],
    [ID, false],
  ]);
  expect(understood("GET /v1/orders")).toEqual([
    ["If-None-Match", false],
    [ID, false],
  ]);
});
