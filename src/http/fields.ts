import { z } from "zod";
import { CODE_PATTERN } from "../domain/ids.ts";
import {
  PAYMENT_REF_CHARS_MAX,
  QUANTITY_MAX,
  TTL_SECONDS_MAX,
  UNITS_MAX,
  USER_ID_CHARS_MAX,
} from "../domain/limits.ts";
import { text } from "./parse.ts";

// Members that several routes share: what they may hold, and what the document says of them.

const CODE_RULE = "must be 1 to 64 of A-Z a-z 0-9 . _ -";
export const code = z.string().regex(CODE_PATTERN, CODE_RULE);

export const sku = code.meta({ description: "The code of what is sold.", example: "tea" });
export const storeId = code.meta({ description: "A shop or warehouse.", example: "main" });
export const HOLD_ID_EXAMPLE = "H-01a1fbe0-b8e6-7462-8776-0bd4fb74d142";
export const ORDER_ID_EXAMPLE = "O-01a1fbe0-b90a-7068-a328-4e73558f5087";
export const holdId = z.string().meta({ example: HOLD_ID_EXAMPLE });
export const orderId = z.string().meta({ example: ORDER_ID_EXAMPLE });
export const paymentId = z.string().meta({ example: "P-01a1fbe0-b8e6-7462-8776-0bd4fb74d142" });
export const waiterId = z.string().meta({ example: "W-01a1fbe0-b8e6-7462-8776-0bd4fb74d142" });
export const quantity = z
  .int()
  .min(1)
  .max(QUANTITY_MAX)
  .meta({ description: "Units.", example: 2 });
export const onHand = z
  .int()
  .min(0)
  .max(UNITS_MAX)
  .meta({ description: "Units that are there, held ones among them.", example: 100 });
export const ttlSeconds = z.int().min(1).max(TTL_SECONDS_MAX);
export const userId = text(USER_ID_CHARS_MAX).meta({
  description: "Who buys, in your words.",
  example: "ada",
});
export const paymentRef = text(PAYMENT_REF_CHARS_MAX).meta({
  description: "Your name of the payment. Another one for the same hold is refused.",
  example: "pay_81",
});
export const holdVersion = z
  .int()
  .meta({ description: "One more with each change; for If-Match.", example: 1 });
export const traceId = text(128).meta({ description: "Kept with the event.", example: "trace-1" });

/** A time in an answer. */
export const time = z.iso.datetime().meta({ example: "2026-11-21T02:17:51.048Z" });
/** Presents ms since 1970. */
export const isoTime = (millis: number) => new Date(millis).toISOString();

/** A whole number in an address, where everything is text. */
export const wholeParameter = (min: number, max: number, fallback: number) =>
  z
    .string()
    .regex(/^(0|[1-9][0-9]{0,14})$/, `must be a whole number from ${min} to ${max}`)
    .transform(Number)
    .pipe(z.number().min(min).max(max))
    .default(fallback)
    .meta({ type: "integer", minimum: min, maximum: max, default: fallback });

const LIMIT_DEFAULT = 50;
const LIMIT_MAX = 200;
export const limit = wholeParameter(1, LIMIT_MAX, LIMIT_DEFAULT);

/** One page of a list. */
export const pageOf = <Item extends z.ZodType>(item: Item) =>
  z.object({
    items: z.array(item),
    nextCursor: z.string().nullable().meta({
      description: "Send it as `cursor` to get the next page. Null: this is the last one.",
      example: null,
    }),
  });

/** Presents one page of a list, with the place where the next one begins. */
export const presentPage = <Item, Place, Shown>(
  { items, next }: { items: Item[]; next: Place | null },
  present: (item: Item) => Shown,
  placeText: (next: Place) => string = String,
) => ({
  items: items.map(present),
  nextCursor: next === null ? null : cursorOf(placeText(next)),
});

/** A cursor names where the last page ended. What it is made of is nobody's business but ours. */
const cursorOf = (place: string) => Buffer.from(place).toString("base64url");
/** A parameter that holds a cursor, of which `inner` says what may be in it. */
export const cursor = <Inner extends z.ZodType<unknown, string>>(inner: Inner) =>
  z
    .base64url()
    .max(200)
    .transform((text) => Buffer.from(text, "base64url").toString())
    .pipe(inner)
    .optional()
    .meta({ type: "string", description: "`nextCursor` of the page before." });
