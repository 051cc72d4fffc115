import { z } from "zod";
import type { DocumentedAnswer, Operation, readDocument } from "../read-document.ts";
import { problemTypes } from "./problem-types.ts";
import { comment, typeOf } from "./type-of.ts";

const HEAD =
  "// Made by `npm run postman` of what /openapi.json says: change the routes, not this.\n\n";

/** The files of src/client/types, by name: what each operation takes and answers. */
export function clientTypes(document: ReturnType<typeof readDocument>): Map<string, string> {
  const by_tag = Map.groupBy(document.operations.filter(isOfClient), ({ tags }) => tags[0] ?? "");
  const files = [...by_tag].map(
    ([tag, operations]) => [`${fileOf(tag)}.ts`, tagText(tag, operations)] as const,
  );
  const imports = [...by_tag.keys()].map(
    (tag) => `import type { ${typeNameOf(tag)} } from "./${fileOf(tag)}.ts";`,
  );
  const all = [...by_tag.keys()].map(typeNameOf).join(" & ");
  const calls = `${imports.sort().join("\n")}\n\n/** What each call takes and answers. */\nexport type Calls = ${all};\n`;
  return new Map([
    ...files.map(([name, text]) => [name, HEAD + text] as const),
    ["calls.ts", HEAD + calls],
    ["problem-members.ts", HEAD + problemTypes(document.schemas)],
  ]);
}

/** Pages for people are no calls. */
export const isOfClient = ({ path }: Operation) => !/^\/(docs|problems)\b/.test(path);

const fileOf = (tag: string) => tag.toLowerCase().replaceAll(" ", "-");
const typeNameOf = (tag: string) =>
  `${tag.replaceAll(/ (\w)/g, (_, letter: string) => letter.toUpperCase())}Calls`;

function tagText(tag: string, operations: Operation[]): string {
  return `export type ${typeNameOf(tag)} = {\n${operations.map(operationText).join("\n")}\n};\n`;
}

function operationText(operation: Operation): string {
  const { method, path, summary, parameters } = operation;
  const query = parameters.filter((parameter) => parameter.in === "query");
  const query_type = typeOf(
    {
      type: "object",
      properties: Object.fromEntries(
        query.map(({ name, description, schema }) => [name, { ...schema, description }]),
      ),
      required: query.filter(({ required }) => required).map(({ name }) => name),
    },
    "GIVEN",
  );
  return [
    `${comment(`${summary}.`)}"${method} ${path}": {`,
    bodyText(operation),
    ...(query.length === 0 ? [] : [`query: ${query_type};`]),
    `answer: ${answerType(operation)};`,
    "};",
  ].join("\n");
}

function bodyText({ requestBody }: Operation): string {
  const json = requestBody?.content["application/json"];
  return json ? `body: ${typeOf(json.schema, "GIVEN")};` : "";
}

/** Of all its good answers; a problem is none, whatever its status. */
function answerType({ responses }: Operation): string {
  const types = Object.values(responses).flatMap(({ content }: DocumentedAnswer) =>
    Object.entries(content).flatMap(([media, { schema }]) => {
      if (media === "application/problem+json") return [];
      return [media === "application/json" ? typeOf(schema, "TOLD") : "string"];
    }),
  );
  return z
    .array(z.string())
    .min(1)
    .parse([...new Set(types)])
    .join(" | ");
}
