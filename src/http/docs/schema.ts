import { z } from "zod";

/** A schema as OpenAPI 3.1 writes it: JSON Schema 2020-12, and `example`. */
export type JsonSchema = z.core.JSONSchema.JSONSchema;

/** What a request must look like. It is strict: what nobody knows is refused. */
export const requestSchema = (schema: z.ZodType) => jsonSchemaOf(schema, "input");

/** What an answer looks like. It is open: more members may come, and clients must not mind. */
export const answerSchema = (schema: z.ZodType) => jsonSchemaOf(schema, "output");

function jsonSchemaOf(schema: z.ZodType, io: "input" | "output"): JsonSchema {
  const { $schema, ...rest } = z.toJSONSchema(schema, {
    io,
    unrepresentable: "any", // such a schema says by its meta what it is
    override: ({ zodSchema, jsonSchema }) => {
      if (io === "output" && jsonSchema.additionalProperties === false) {
        delete jsonSchema.additionalProperties;
      }
      // zod's pattern for a time is a screen long, and says no more than the format.
      if (jsonSchema.format === "date-time") delete jsonSchema.pattern;
      // swagger-ui knows no base64url: it would show none of a list's parameters.
      if (jsonSchema.format === "base64url") {
        delete jsonSchema.format;
        delete jsonSchema.contentEncoding;
      }
      // A number in an address: to the parser it is a text at first.
      if (jsonSchema.type === "integer") delete jsonSchema.pattern;
      const fallback = z.globalRegistry.get(zodSchema)?.default;
      if (fallback !== undefined) jsonSchema.default = fallback;
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
    },
  });
  return rest;
}

/**
 * An example made of those of its parts. What may be left out is there when it has an example of its own,
 * unless `required_only`: an answer's optional members don't all go together.
 */
export function exampleOf(schema: JsonSchema | boolean, required_only = false): unknown {
  if (typeof schema === "boolean") return null;
  const { example, default: fallback, const: only, enum: [first] = [], anyOf, oneOf } = schema;
  for (const given of [example, fallback, only, first]) if (given !== undefined) return given;
  const [choice] = anyOf ?? oneOf ?? [];
  if (choice) return exampleOf(choice, required_only);
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  switch (type) {
    case "object":
      return objectExample(schema, required_only);
    case "array":
      return Array.isArray(schema.items) || schema.items === undefined
        ? []
        : [exampleOf(schema.items, required_only)];
    case "integer":
    case "number":
      return schema.minimum ?? 0;
    case "boolean":
      return false;
    case "string":
      return "text";
    default:
      return null;
  }
}

function objectExample(schema: JsonSchema, required_only: boolean): Record<string, unknown> {
  const { properties = {}, required = [], propertyNames, additionalProperties } = schema;
  const shown = Object.entries(properties).filter(
    ([name, member]) => required.includes(name) || (!required_only && hasExample(member)),
  );
  const named = shown.map(([name, member]) => [name, exampleOf(member, required_only)] as const);
  if (typeof additionalProperties !== "object") return Object.fromEntries(named);
  const name = String(exampleOf(propertyNames ?? { type: "string" }));
  return { ...Object.fromEntries(named), [name]: exampleOf(additionalProperties, required_only) };
}

const hasExample = (schema: JsonSchema | boolean) =>
  typeof schema === "object" && schema.example !== undefined;
