import { z } from "zod";
import type { Product } from "../../postgres/products-read.ts";
import { isoTime, sku, time } from "../fields.ts";
import { text } from "../parse.ts";

// What the routes about products share.

const NAME_CHARS_MAX = 200;
const DESCRIPTION_CHARS_MAX = 2_000;
const PLACE_CHARS_MAX = 100;
const PRICE_MAX = 999_999_999_999.99;

/** `/v1/products/totals` is a list, so no product could be asked for by this name. */
const TAKEN = "totals";
export const productSku = sku.refine((given) => given !== TAKEN, `must not be ${TAKEN}`);
export const name = text(NAME_CHARS_MAX).meta({ example: "Green tea, 100 g" });
/** What may be left out of a product. */
export const details = {
  description: text(DESCRIPTION_CHARS_MAX).optional().meta({ example: "First harvest." }),
  price: z
    .number()
    .min(0)
    .max(PRICE_MAX)
    .refine((price) => Math.round(price * 100) / 100 === price, "must have at most 2 decimals")
    .optional()
    .meta({ description: "With at most 2 decimals, in your currency.", example: 4.95 }),
  category: text(PLACE_CHARS_MAX).optional().meta({ example: "tea" }),
  location: text(PLACE_CHARS_MAX)
    .optional()
    .meta({ description: "Where it lies, in your words.", example: "aisle 7" }),
};

export const product = z.object({
  sku,
  name,
  ...details,
  version: z.int().min(1).meta({ description: "One more with each change.", example: 1 }),
  createdAt: time,
  updatedAt: time,
});

export function presentProduct(shown: Product): z.infer<typeof product> {
  const { description, price, category, location } = shown;
  return {
    sku: shown.sku,
    name: shown.name,
    ...(description === null ? {} : { description }),
    ...(price === null ? {} : { price }),
    ...(category === null ? {} : { category }),
    ...(location === null ? {} : { location }),
    version: shown.version,
    createdAt: isoTime(shown.created_at),
    updatedAt: isoTime(shown.updated_at),
  };
}
