import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";

export type Schema = Record<string, unknown>;
/** Says what is wrong with a value; undefined when nothing is. */
export type Conforms = (value: unknown, schema: Schema) => string | undefined;

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
/** What all problems are made of, each with members of its own. */
const BASE = "Problem";

/**
 * Holds values against schemas of the document.
 * @param schemas its components
 * @param closed when a member that the document does not name is wrong, too. Answers are open to callers, so
 * that members may be added: to the document as well, then.
 */
export function createConforms(schemas: Record<string, Schema>, { closed = false } = {}): Conforms {
  const ajv = new Ajv2020({ strict: false, allErrors: true, formats: { "date-time": TIME } });
  const components = Object.entries(schemas).map(([name, schema]) => [
    name,
    closed ? close(schema, name === BASE) : schema,
  ]);
  ajv.addSchema({ $id: "document:/", components: { schemas: Object.fromEntries(components) } });
  // By its text: many answers are of the same schema, which is compiled once.
  const validators = new Map<string, ValidateFunction>();

  function compile(schema: Schema): ValidateFunction {
    const text = JSON.stringify(closed ? close(schema) : schema);
    return ajv.compile(JSON.parse(text.replaceAll('"#/', '"document:/#/')));
  }

  return (value, schema) => {
    const text = JSON.stringify(schema);
    const validate = validators.get(text) ?? compile(schema);
    validators.set(text, validate);
    return validate(value) ? undefined : ajv.errorsText(validate.errors, { dataVar: "it" });
  };
}

// What is made of parts has the members of all of them, so none of them may be closed alone.
function close(node: unknown, is_part = false): unknown {
  if (Array.isArray(node)) return node.map((one) => close(one, is_part));
  if (typeof node !== "object" || node === null) return node;
  const inner = Object.entries(node).map(([name, part]) => [name, close(part, name === "allOf")]);
  const names_members = "properties" in node || "allOf" in node;
  return {
    ...Object.fromEntries(inner),
    ...(names_members && !is_part ? { unevaluatedProperties: false } : {}),
  };
}
