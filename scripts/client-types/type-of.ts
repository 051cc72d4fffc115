import { z } from "zod";

/** A JSON schema, of which only what the document uses is understood. */
const shape = z.strictObject({
  type: z.union([z.string(), z.array(z.string())]).optional(),
  const: z.unknown().optional(),
  enum: z.array(z.unknown()).optional(),
  anyOf: z.array(z.unknown()).optional(),
  oneOf: z.array(z.unknown()).optional(),
  items: z.unknown().optional(),
  properties: z.record(z.string(), z.unknown()).optional(),
  required: z.array(z.string()).default([]),
  additionalProperties: z.unknown().optional(),
  propertyNames: z.unknown().optional(),
  description: z.string().optional(),
  // What a type can't say.
  ...passedOver("default", "example", "examples", "format", "pattern", "title"),
  ...passedOver(
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
  ),
  ...passedOver("maxProperties"),
});

/** Whether undefined may be given for what may be left out: a caller may, the service never does. */
export type Side = "GIVEN" | "TOLD";

/** A JSON schema as a type of TypeScript. */
export function typeOf(schema: unknown, side: Side): string {
  if (schema === true) return "unknown";
  const of = (part: unknown) => typeOf(part, side);
  const { type, enum: values, anyOf, oneOf, items, ...rest } = shape.parse(schema);
  if (rest.const !== undefined) return JSON.stringify(rest.const);
  if (values) return values.map((value) => JSON.stringify(value)).join(" | ");
  const choices = anyOf ?? oneOf ?? (Array.isArray(type) ? type.map((one) => ({ type: one })) : []);
  if (choices.length > 0) return [...new Set(choices.map(of))].join(" | ");
  switch (type) {
    case "integer":
      return "number";
    case "array":
      return `Array<${of(items ?? true)}>`;
    case "object":
      return objectType(rest, side);
    case undefined:
      return "unknown";
    default:
      return z.enum(["string", "number", "boolean", "null"]).parse(type);
  }
}

function objectType(
  {
    properties = {},
    required,
    additionalProperties,
    propertyNames,
  }: Partial<z.infer<typeof shape>>,
  side: Side,
): string {
  if (typeof additionalProperties === "object") {
    const name = propertyNames === undefined ? "string" : typeOf(propertyNames, side);
    return `{ [name in ${name}]?: ${typeOf(additionalProperties, side)} }`;
  }
  const members = Object.entries(properties).map(([name, schema]) => {
    const needed = required?.includes(name);
    const type = `${typeOf(schema, side)}${!needed && side === "GIVEN" ? " | undefined" : ""}`;
    return `${remark(schema)}${name}${needed ? "" : "?"}: ${type};`;
  });
  // What is told is open: more members may come.
  if (members.length === 0) return `Record<string, ${side === "GIVEN" ? "never" : "unknown"}>`;
  return `{\n${members.join("\n")}\n}`;
}

/** What people are told of it. */
function remark(schema: unknown): string {
  const { description = "" } = z.looseObject({ description: z.string().optional() }).parse(schema);
  return comment(description);
}

const COMMENT_CHARS_MAX = 92;
export function comment(text: string): string {
  if (text === "") return "";
  const lines: string[] = [];
  for (const word of text.replaceAll("*/", "* /").split(/\s+/)) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length < COMMENT_CHARS_MAX) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else lines.push(word);
  }
  return lines.length === 1
    ? `/** ${lines[0]} */\n`
    : `/**\n${lines.map((line) => ` * ${line}\n`).join("")} */\n`;
}

function passedOver<const Name extends string>(...names: Name[]) {
  return Object.fromEntries(names.map((name) => [name, z.unknown().optional()]));
}
