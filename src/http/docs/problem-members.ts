import { z } from "zod";
import { RESOLUTIONS, WHYS } from "../../domain/payment.ts";
import { ROLES } from "../../domain/roles.ts";
import { holdId, paymentId, paymentRef, sku, storeId, time, waiterId } from "../fields.ts";
import { LIMITED } from "../limits/limits.ts";
import type { ProblemCode } from "../problem-kinds.ts";

const units = (description: string, example: number) => z.int().meta({ description, example });
const requested = units("Units you asked for.", 5);
const available = units("Units there are for you.", 3);
const held = units("Units that others hold.", 2);
const reserved = units("Units that reservations hold.", 2);
const event_id = z.string().meta({ description: "The event you named." });
const total_available = units("Units in all stores together.", 4);
const version = units("The version it has now.", 8);
const errors = z.array(z.object({ pointer: z.string(), detail: z.string() })).meta({
  description:
    "What is wrong with which members: a JSON pointer into the body, `?name` in the query, `{name}` in the path.",
  example: [{ pointer: "#/lines/0/qty", detail: "Too small: expected number to be >=1" }],
});

/**
 * What problems tell beside the members that all of them have.
 * @param named says a member's name, which /v1 spells as its own
 */
export function problemMembers(named: (name: string) => string): {
  [code in ProblemCode]?: z.ZodObject;
} {
  const hold = z.object({ [named("hold_id")]: holdId });
  const short = z.object({ sku, [named("store_id")]: storeId, requested, available });
  const taken = z.object({
    sku,
    requested,
    available,
    held,
    [named("total_available")]: total_available.optional(),
    lines: z
      .array(short.extend({ held }))
      .optional()
      .meta({ description: "All lines that are short." }),
  });
  const stock = z.object({ [named("store_id")]: storeId, available, reserved });
  const lines = z.array(short).optional().meta({ description: "All lines that are short." });
  const refused = z.object({
    sku,
    sold: units("Units the order sold.", 3),
    returned: units("Units of them that came back before.", 1),
    requested,
  });
  return {
    ALL_HELD: taken.extend({
      [named("earliest_release_at")]: time.optional().meta({
        description: "No unit comes back before, unless somebody ends a reservation early.",
        example: "2026-11-21T02:17:51.048Z",
      }),
    }),
    ALREADY_WAITING: z.object({ sku, [named("waiter_id")]: waiterId }),
    FORBIDDEN: z.object({
      missing: z
        .array(z.enum(ROLES))
        .optional()
        .meta({ description: "Roles, of which one is needed.", example: ["checkout"] }),
    }),
    HOLD_ALREADY_CONFIRMED: hold,
    HOLD_CANCELLED: hold,
    HOLD_EXPIRED: hold.extend({ [named("expires_at")]: time }),
    INVALID_REQUEST: z.object({ errors: errors.optional() }),
    LIMIT_EXCEEDED: z.object({
      sku,
      rule: z.string().meta({ description: "Which rule of the sale.", example: "maxPerCustomer" }),
      limit: units("What it allows.", 2),
      left: units("How much of that is left.", 0),
    }),
    NOT_FOUND: z.object({ [named("event_id")]: event_id.optional() }),
    PAYMENT_ALREADY_RESOLVED: z.object({
      [named("payment_id")]: paymentId,
      resolution: z.enum(RESOLUTIONS),
      reference: z.string().meta({ example: "re_17" }),
    }),
    PAYMENT_UNFULFILLED: hold.extend({
      [named("payment_ref")]: paymentRef,
      [named("payment_id")]: paymentId,
      why: z.enum(WHYS),
    }),
    PRODUCT_EXISTS: z.object({ sku }),
    PRODUCT_IN_USE: z.object({ sku, available, reserved, stocks: z.array(stock) }),
    PRODUCT_NOT_FOUND: z.object({ sku }),
    RATE_LIMITED: z.object({
      by: z.enum(LIMITED).meta({ description: "Whose limit it is.", example: "customer" }),
    }),
    RETURN_EXCEEDS_SOLD: refused.extend({
      lines: z.array(refused).meta({ description: "All lines that ask for too many." }),
    }),
    RULES_NOT_FOUND: z.object({ sku }),
    SALE_CLOSED: z.object({ sku, [named("closes_at")]: time }),
    SALE_NOT_OPEN: z.object({ sku, [named("opens_at")]: time }),
    SALE_PAUSED: z.object({ sku }),
    SOLD_OUT: taken,
    STOCK_AVAILABLE: z.object({ sku, available }),
    STORE_NOT_FOUND: z.object({ [named("store_id")]: storeId }),
    UNKNOWN_SKU: z.object({ sku }),
    VERSION_CONFLICT: z.object({
      sku: sku.optional(),
      [named("store_id")]: storeId.optional(),
      [named("hold_id")]: holdId.optional(),
      version,
    }),
    WAITING_LIST_FULL: z.object({ sku }),
    WOULD_GO_NEGATIVE: short.extend({ lines }),
  };
}
