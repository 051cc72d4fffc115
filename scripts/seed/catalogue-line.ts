import { z } from "zod";
import { UNITS_MAX } from "../../src/domain/limits.ts";
import * as common from "../../src/http/fields.ts";
import { details, name, productSku } from "../../src/http/v1/product-fields.ts";

/** What one line says: how many units of a sku are in a store, and what the product is, if it says that. */
export type CatalogueLine = {
  sku: string;
  store_id: string;
  units: number;
  product: ProductCells | null;
};

/** A null is an empty cell, which says nothing. */
export type ProductCells = {
  sku: string;
  name: string;
  description: string | null;
  price: number | null;
  category: string | null;
  location: string | null;
};

const COLUMNS = {
  sku: "sku",
  store: "store_id",
  storeId: "store_id",
  quantity: "units",
  onHand: "units",
  name: "name",
  description: "description",
  price: "price",
  category: "category",
  location: "location",
} as const;
type Fact = (typeof COLUMNS)[keyof typeof COLUMNS];

const WHOLE = /^\d{1,15}$/;
const AMOUNT = /^\d{1,12}(\.\d{1,2})?$/;
/** What bytes that are no UTF-8 are read as. */
const NO_UTF8 = "\uFFFD";

// The rules are those of the routes, for what a cell holds is text.
const cells = z.object({
  sku: common.sku,
  store_id: common.storeId.optional(),
  units: z
    .string()
    .refine(
      (text) => WHOLE.test(text) && Number(text) <= UNITS_MAX,
      `must be a whole number from 0 to ${UNITS_MAX}`,
    )
    .transform(Number),
  name: name.optional(),
  description: details.description,
  price: z
    .string()
    .regex(AMOUNT, "must be a number with at most 2 decimals, as in 4.95")
    .transform(Number)
    .pipe(details.price.unwrap())
    .optional(),
  category: details.category,
  location: details.location,
});

/**
 * Reads the first line of a file, and returns what reads the others.
 * @throws Error that says what is wrong with the columns
 */
export function createLineReader(header: string[], default_store: string) {
  const facts = factsOf(header);
  const nameOf = (fact: PropertyKey | undefined) => header[facts.indexOf(fact as Fact)]; // -1: undefined

  /** @returns what is wrong with the line when it is no good */
  function read(fields: string[]): CatalogueLine | string {
    if (fields.length !== header.length) {
      return `has ${fields.length} columns, not ${header.length}`;
    }
    const said: { [fact in Fact]?: string } = { sku: "", units: "" };
    for (const [i, field] of fields.entries()) {
      const fact = facts[i];
      if (fact === undefined || field === "") continue;
      if (field.includes(NO_UTF8)) return `${header[i]} is not UTF-8`;
      said[fact] = field;
    }
    const parsed = cells.safeParse(said);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      return `${nameOf(issue?.path[0])} ${issue?.message}`;
    }
    const { sku, store_id = default_store, units, ...known } = parsed.data;
    const forProduct = productSku.safeParse(sku);
    if (known.name !== undefined && !forProduct.success) {
      return `${nameOf("sku")} ${forProduct.error.issues[0]?.message}`;
    }
    return { sku, store_id, units, product: productOf(sku, known) };
  }

  return read;
}

function factsOf(header: string[]): Fact[] {
  const facts = header.map((column) => {
    if (isColumn(column)) return COLUMNS[column];
    const known = Object.keys(COLUMNS).join(", ");
    throw new Error(
      `there is no column ${JSON.stringify(column)}; there are ${known}, with commas between them`,
    );
  });
  const twice = header.find((_, i) => facts.indexOf(facts[i] as Fact) !== i); // i is within both
  if (twice !== undefined) throw new Error(`the column ${twice} is there twice`);
  for (const [fact, column] of [
    ["sku", "sku"],
    ["units", "quantity"],
  ] as const) {
    if (!facts.includes(fact)) throw new Error(`the column ${column} is missing`);
  }
  return facts;
}

const isColumn = (column: string): column is keyof typeof COLUMNS => Object.hasOwn(COLUMNS, column);

function productOf(
  sku: string,
  known: Omit<z.infer<typeof cells>, "sku" | "store_id" | "units">,
): ProductCells | null {
  const { name, description = null, price = null, category = null, location = null } = known;
  return name === undefined ? null : { sku, name, description, price, category, location };
}
