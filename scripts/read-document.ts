import { z } from "zod";
import { createDocument } from "../src/http/openapi.ts";
import { describeRoutes } from "./describe-routes.ts";

const schema = z.record(z.string(), z.unknown());
const example = z.unknown().optional();
const examples = z.record(z.string(), z.object({ value: z.unknown() })).optional();
const content = z.record(z.string(), z.object({ schema, example, examples }));
const header = z.object({ required: z.boolean(), schema });
const answer = z.object({
  description: z.string().min(1),
  headers: z.record(z.string(), header),
  content: content.default({}),
});
const parameter = z.object({
  name: z.string(),
  description: z.string().default(""),
  in: z.enum(["path", "query", "header"]),
  required: z.boolean(),
  schema,
  example,
});
const operation = z.object({
  operationId: z.string(),
  tags: z.array(z.string()).length(1),
  summary: z.string().min(1),
  description: z.string().default(""),
  parameters: z.array(parameter),
  requestBody: z.object({ required: z.boolean(), content }).optional(),
  responses: z.record(z.string(), answer),
});
const documentShape = z.object({
  info: z.object({ title: z.string(), description: z.string() }),
  tags: z.array(z.object({ name: z.string() })),
  paths: z.record(z.string(), z.record(z.string(), operation)),
  components: z.object({
    schemas: z.record(z.string(), schema),
    responses: z.record(z.string(), answer),
  }),
});

export type DocumentedAnswer = z.infer<typeof answer>;
export type Operation = z.infer<typeof operation> & { method: string; path: string };

/** The document as its readers get it. */
export const documentText = () => JSON.stringify(createDocument(describeRoutes()), null, 2);

/** What the document says, with everything in place that it refers to, but for schemas. */
export function readDocument(text = documentText()) {
  const document: unknown = JSON.parse(text);
  const { paths, components, ...rest } = documentShape.parse(
    putInPlace(document, document, new Map()),
  );
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(
      ([method, described]): Operation => ({ ...described, method: method.toUpperCase(), path }),
    ),
  );
  return { ...rest, ...components, operations };
}

/** @param found what each reference leads to: a hundred answers refer to the same, which is looked up once */
function putInPlace(node: unknown, document: unknown, found: Map<string, unknown>): unknown {
  if (Array.isArray(node)) return node.map((part) => putInPlace(part, document, found));
  if (typeof node !== "object" || node === null) return node;
  if ("$ref" in node && typeof node.$ref === "string" && !node.$ref.includes("/schemas/")) {
    const { $ref } = node;
    if (!found.has($ref)) found.set($ref, putInPlace(lookUp(document, $ref), document, found));
    return found.get($ref);
  }
  return Object.fromEntries(
    Object.entries(node).map(([name, part]) => [name, putInPlace(part, document, found)]),
  );
}

/** What a reference like `#/components/headers/ETag` leads to. */
export function lookUp(document: unknown, ref: string): unknown {
  return ref
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"))
    .reduce<unknown>((node, part) => {
      const members = z.record(z.string(), z.unknown()).safeParse(node).data ?? {};
      if (!(part in members)) throw new Error(`${ref} leads nowhere`);
      return members[part];
    }, document);
}
