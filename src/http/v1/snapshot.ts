import { z } from "zod";
import { UNITS_MAX } from "../../domain/limits.ts";
import { code, onHand } from "../fields.ts";

const SKUS_MAX = 1_000;

/** What was counted of each sku, in one order: the same snapshot written otherwise is the same request. */
export type Counted = { sku: string; units: number }[];

const isObject = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * `{sku: units}`. Not z.record, which passes over a sku that is named `__proto__`: whoever counted it would be
 * told that all was done.
 */
export const snapshot = z
  .custom<object>(isObject, "must be an object")
  .transform((members, context): Counted => {
    const counts = Object.entries(members);
    if (counts.length < 1 || counts.length > SKUS_MAX) {
      context.addIssue({ code: "custom", message: `must have 1 to ${SKUS_MAX} members` });
      return z.NEVER;
    }
    const counted: Counted = [];
    for (const [sku, given] of counts) {
      const units = onHand.safeParse(given);
      const issues = [...issuesOf(code.safeParse(sku)), ...issuesOf(units)];
      for (const message of issues) context.addIssue({ code: "custom", path: [sku], message });
      if (units.success) counted.push({ sku, units: units.data });
    }
    return counted.sort((a, b) => (a.sku < b.sku ? -1 : 1));
  })
  .meta({
    type: "object",
    additionalProperties: { type: "integer", minimum: 0, maximum: UNITS_MAX },
    minProperties: 1,
    maxProperties: SKUS_MAX,
    description: "What was counted of each sku, reserved units included.",
    example: { tea: 100, mug: 12 },
  });

const issuesOf = ({ error }: z.ZodSafeParseResult<unknown>) =>
  error?.issues.map(({ message }) => message) ?? [];
