import { STATUS_CODES } from "node:http";
import type { Operation, readDocument } from "./read-document.ts";

const SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json";
const BASE_URL = "http://localhost:8080"; // where ./scripts/up serves
const JSON_TYPE = "application/json";
/** With AUTH=off nobody looks at it. */
const TOKEN = "your-api-key";
/** Postman puts a new one in its place for each request. */
const NEW_KEY = "{{$guid}}";

/**
 * The document's requests as a Postman collection, by tag. Its variables are `baseUrl` and what stands in
 * addresses, so that an id is entered once for all requests. Nothing in it is random.
 */
export function createCollection({ info, tags, operations }: ReturnType<typeof readDocument>) {
  const variables = new Map([
    ["baseUrl", BASE_URL],
    ["token", TOKEN],
  ]);
  for (const { name, example } of operations.flatMap((operation) => within("path", operation))) {
    variables.set(name, String(example));
  }
  return {
    info: { name: info.title, description: info.description, schema: SCHEMA },
    auth: { type: "bearer", bearer: [{ key: "token", value: "{{token}}", type: "string" }] },
    variable: [...variables].map(([key, value]) => ({ key, value })),
    item: tags.map(({ name }) => ({
      name,
      item: operations.filter((operation) => operation.tags.includes(name)).map(itemOf),
    })),
  };
}

/** The collection as a file, with short lists in one line, as the formatter wants them. */
export function collectionText(document: ReturnType<typeof readDocument>): string {
  const text = JSON.stringify(createCollection(document), null, 2);
  const lists = /\[\s+("[^"\n]*"(?:,\s+"[^"\n]*")*)\s+\]/g;
  return `${text.replaceAll(lists, (_, items: string) => `[${items.replaceAll(/\s+/g, " ")}]`)}\n`;
}

const itemOf = (operation: Operation) => ({
  name: operation.summary,
  request: {
    method: operation.method,
    url: urlOf(operation),
    header: headersOf(operation),
    ...bodyOf(operation),
    description: operation.description,
  },
  response: savedAnswersOf(operation),
});

function urlOf(operation: Operation) {
  const path = operation.path.replaceAll(/\{(\w+)\}/g, "{{$1}}");
  const query = within("query", operation).map(({ name, required, example, description }) => ({
    key: name,
    value: String(example ?? ""),
    disabled: !required && example === undefined,
    description,
  }));
  const sent = query.filter(({ disabled }) => !disabled);
  const search = sent.map(({ key, value }) => `${key}=${value}`).join("&");
  return {
    raw: `{{baseUrl}}${path}${search && `?${search}`}`,
    host: ["{{baseUrl}}"],
    path: path.split("/").slice(1),
    query,
  };
}

function headersOf(operation: Operation) {
  const headers = within("header", operation).map(({ name, description }) => ({
    key: name,
    value: name === "Idempotency-Key" ? NEW_KEY : "",
    disabled: name !== "Idempotency-Key",
    description,
  }));
  const type = { key: "Content-Type", value: JSON_TYPE, disabled: false, description: "" };
  return operation.requestBody ? [type, ...headers] : headers;
}

function bodyOf({ requestBody }: Operation) {
  const json = requestBody?.content[JSON_TYPE];
  if (!json) return {};
  return {
    body: { mode: "raw", raw: pretty(json.example), options: { raw: { language: "json" } } },
  };
}

/** The good answers, to be looked at beside the request. */
function savedAnswersOf({ responses }: Operation) {
  return Object.entries(responses).flatMap(([status, { description, content }]) => {
    const json = content[JSON_TYPE];
    if (!json) return [];
    return {
      name: description,
      status: STATUS_CODES[status],
      code: Number(status),
      header: [{ key: "Content-Type", value: JSON_TYPE }],
      _postman_previewlanguage: "json",
      body: pretty(json.example),
    };
  });
}

const within = (place: "path" | "query" | "header", { parameters }: Operation) =>
  parameters.filter((parameter) => parameter.in === place);
const pretty = (value: unknown) => JSON.stringify(value, null, 2);
