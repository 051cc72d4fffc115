import { z } from "zod";
import { typeOf } from "./type-of.ts";

const problem = z.object({
  allOf: z.tuple([
    z.unknown(),
    z.object({
      properties: z.record(z.string(), z.unknown()),
      required: z.array(z.string()),
    }),
  ]),
});
type Members = { properties: Record<string, unknown>; required: string[] };

/**
 * What each problem tells beside what all do. /v1 spells some members in another way: what only one
 * of both has may be missing.
 */
export function problemTypes(schemas: Record<string, unknown>): string {
  const codes = Object.keys(schemas).filter((name) => name !== "Problem" && !name.endsWith("_v1"));
  const v1_only = Object.keys(schemas)
    .filter((name) => name.endsWith("_v1"))
    .map((name) => name.slice(0, -"_v1".length));
  const types = [...new Set([...codes, ...v1_only])].sort().map((code) => {
    const both = [schemas[code], schemas[`${code}_v1`]].flatMap((schema) =>
      schema === undefined ? [] : [membersOf(schema)],
    );
    return `${code}: ${typeOf({ type: "object", ...merged(both) }, "TOLD")};`;
  });
  return `/** What a problem tells beside its code. */\nexport type ProblemMembers = {\n${types.join("\n")}\n};\n`;
}

function membersOf(schema: unknown): Members {
  const { properties, required } = problem.parse(schema).allOf[1];
  const { code: _, status: __, ...own } = properties;
  return { properties: own, required };
}

function merged(spellings: Members[]): Members {
  const [one, other = one] = spellings;
  if (!one || !other) return { properties: {}, required: [] };
  return {
    properties: { ...one.properties, ...other.properties },
    required: one.required.filter((name) => other.required.includes(name)),
  };
}
