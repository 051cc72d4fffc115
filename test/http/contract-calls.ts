import type { Operation } from "../../scripts/read-document.ts";
import { holdToDocument } from "./contract.ts";
import { fresh } from "./shop.ts";

export const JSON_TYPE = "application/json";

/** What is sent instead of the document's examples. `null` leaves it out. */
export type Changes = {
  method?: string;
  headers?: Record<string, string>;
  key?: string | null;
  query?: string;
  body?: string | null;
};

export const nameOf = ({ method, path }: Operation) => `${method} ${path}`;
export const isWrite = ({ method }: Operation) => method !== "GET";
export const isOfInventory = ({ path }: Operation) => /^\/(v1|holds)\//.test(path);
export const bodyOf = ({ requestBody }: Operation): unknown =>
  requestBody?.content[JSON_TYPE]?.example;

/**
 * Calls to an API as a stranger makes them who takes the document's examples, each with a new key. Every
 * answer is held against the document.
 * @param real what really is there, for the examples that name something
 */
export function createCalls(apiUrl: string, real: Map<string, string> = new Map()) {
  const withReal = (text: string) =>
    [...real].reduce((result, [example, id]) => result.replaceAll(example, id), text);

  function addressOf({ path, parameters }: Operation, query?: string): URL {
    const url = new URL(apiUrl);
    const given = parameters.filter(({ example }) => example !== undefined);
    const filled = given.reduce(
      (text, { name, example }) => text.replace(`{${name}}`, String(example)),
      path,
    );
    url.pathname = withReal(filled);
    for (const parameter of given) {
      if (parameter.in === "query") url.searchParams.set(parameter.name, String(parameter.example));
    }
    if (query !== undefined) url.search = query;
    return url;
  }

  async function call(operation: Operation, changes: Changes = {}) {
    const { method = operation.method, key = fresh("key") } = changes;
    const url = addressOf(operation, changes.query);
    const example = bodyOf(operation);
    const { body = example === undefined ? null : withReal(JSON.stringify(example)) } = changes;
    const headers = new Headers(body === null ? {} : { "Content-Type": JSON_TYPE });
    if (isWrite(operation) && key !== null) headers.set("Idempotency-Key", key);
    for (const [name, value] of Object.entries(changes.headers ?? {})) headers.set(name, value);
    const response = await fetch(url, { method, headers, body: method === "HEAD" ? null : body });
    const answer = {
      status: response.status,
      headers: response.headers,
      text: await response.text(),
    };
    holdToDocument({ method, url: url.href }, answer);
    return answer;
  }

  /** The status and code of the problem that it is answered with. */
  async function refusal(operation: Operation, changes: Changes) {
    const { status, text } = await call(operation, changes);
    const { code, errors } = JSON.parse(text);
    return { status, code, ...(errors ? { errors } : {}) };
  }

  return { call, refusal, addressOf };
}
