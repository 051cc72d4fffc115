import {
  type DocumentedAnswer,
  type Operation,
  readDocument,
} from "../../scripts/read-document.ts";
import { type Conforms, createConforms } from "./contract-schemas.ts";
import { documentOfRun } from "./document-of-run.ts";

type Asked = { method: string; url: string };
type Answered = { status: number; headers: Headers; text: string };

/** Headers that say how an answer travels, and not what it is. */
const TRANSPORT = [
  "cache-control",
  "connection",
  "content-length",
  "content-type",
  "date",
  "keep-alive",
  "transfer-encoding",
];
/** What every answer tells browsers. */
const SAFETY = [
  "content-security-policy",
  "cross-origin-opener-policy",
  "cross-origin-resource-policy",
  "referrer-policy",
  "x-content-type-options",
  "x-frame-options",
];

const TEXT_MAX = 1_000;

let contract: ReturnType<typeof createContract> | undefined;

/** Reads the document now: later it would keep the answers of hundreds of requests waiting. */
export function readContract(): void {
  contract ??= createContract();
}

/**
 * Holds an answer of the API against its document: address, method, status, headers, media type and body.
 * @throws Error that says what the document knows nothing of
 */
export function holdToDocument(asked: Asked, answered: Answered): void {
  contract ??= createContract();
  const { method, url } = asked;
  const wrong = contract.findWrong(asked, answered);
  if (wrong === undefined) return;
  throw new Error(`/openapi.json has no such answer to ${method} ${url}: ${wrong}
${answered.status} ${JSON.stringify([...answered.headers])} ${answered.text.slice(0, TEXT_MAX)}`);
}

function createContract() {
  const { operations, schemas, responses } = readDocument(documentOfRun());
  const conforms = createConforms(schemas, { closed: true });
  const patterns = operations.map((operation) => ({
    operation,
    pattern: new RegExp(`^${operation.path.replaceAll(/\{\w+\}/g, "[^/]+")}$`),
  }));

  function findWrong(asked: Asked, answered: Answered): string | undefined {
    const answer = answersTo(asked)[answered.status];
    if (!answer) return "the status";
    const header = findWrongHeader(answer, answered.headers, conforms);
    if (header !== undefined) return header;
    return asked.method === "HEAD" ? undefined : findWrongBody(answer, answered, conforms);
  }

  function answersTo({ method, url }: Asked): Record<string, DocumentedAnswer | undefined> {
    const { pathname } = new URL(url);
    const fitting = patterns.flatMap(({ operation, pattern }) =>
      pattern.test(pathname) ? [operation] : [],
    );
    // The first path that fits has it: /v1/products/totals is not the product of that name.
    const here = fitting.filter(({ path }) => path === fitting[0]?.path);
    const known = here.find((operation) => operation.method === method.replace("HEAD", "GET"));
    return known?.responses ?? answersWithoutRoute(here);
  }

  const answersWithoutRoute = (here: Operation[]) => ({
    400: responses.INVALID_REQUEST,
    ...(here.length === 0 ? { 404: responses.NOT_FOUND } : { 405: responses.METHOD_NOT_ALLOWED }),
    408: responses.REQUEST_TIMEOUT,
    431: responses.HEADERS_TOO_LARGE,
  });

  return { findWrong };
}

function findWrongHeader(answer: DocumentedAnswer, headers: Headers, conforms: Conforms) {
  const documented = Object.entries(answer.headers);
  const names = [...TRANSPORT, ...SAFETY, ...documented.map(([name]) => name.toLowerCase())];
  const unknown = [...headers.keys()].find((name) => !names.includes(name));
  if (unknown !== undefined) return `the header ${unknown}`;
  for (const [name, { required, schema }] of documented) {
    const text = headers.get(name);
    if (text === null && required) return `that the header ${name} is missing`;
    if (text === null) continue;
    const value = schema.type === "integer" && /^\d+$/.test(text) ? Number(text) : text;
    const wrong = conforms(value, schema);
    if (wrong !== undefined) return `the header ${name}: ${wrong}`;
  }
  return undefined;
}

function findWrongBody(answer: DocumentedAnswer, { headers, text }: Answered, conforms: Conforms) {
  const type = headers.get("content-type")?.split(";")[0];
  const types = Object.keys(answer.content);
  if (types.length === 0)
    return text === "" && type === undefined ? undefined : "that it has a body";
  const media = answer.content[String(type)] ?? answer.content["*/*"];
  if (!media) return `the media type ${type}`;
  return /^application\/(.+\+)?json$/.test(String(type))
    ? conforms(JSON.parse(text), media.schema)
    : undefined;
}
