import { z } from "zod";
import { HOLD_STATUSES, type HoldStatus } from "./hold.ts";
import { CODE_PATTERN, HOLD_ID_PATTERN } from "./ids.ts";

/** Which status each event leaves its hold in. */
export const HOLD_EVENTS = {
  HOLD_CREATED: "ACTIVE",
  HOLD_CONFIRMED: "CONFIRMED",
  HOLD_CANCELLED: "CANCELLED",
  HOLD_EXPIRED: "EXPIRED",
} as const satisfies Record<string, HoldStatus>;
export type EventType = keyof typeof HOLD_EVENTS;

/** The only version so far. A payload only ever grows, so readers ignore members they don't know. */
const EVENT_VERSION = 1;

const millis = z.number().int().min(0).max(8.64e15);
const count = z.number().int().min(0);
const code = z.string().regex(CODE_PATTERN);

const payloadSchema = z.object({
  event_version: z.literal(EVENT_VERSION),
  occurred_at: millis,
  request_id: z.string(),
  hold_id: z.string().regex(HOLD_ID_PATTERN),
  status: z.enum(HOLD_STATUSES),
  user_id: z.string(),
  created_at: millis,
  expires_at: millis,
  version: z.number().int().min(1),
  ended_at: millis.optional(),
  order_id: z.string().optional(),
  payment_ref: z.string().optional(),
  reason: z.string().optional(),
  lines: z
    .array(
      z.object({
        sku: code,
        store_id: code,
        quantity: z.number().int().min(1),
        available: count,
        held: count,
        version: z.number().int().min(1),
      }),
    )
    .min(1),
});

const entrySchema = z.object({
  event_id: z.uuid(),
  type: z.enum(Object.keys(HOLD_EVENTS) as [EventType, ...EventType[]]), // Object.keys forgets the literals
  seq: z.string().regex(/^[1-9][0-9]{0,14}$/),
  payload: z.string(),
});

export type HoldPayload = z.infer<typeof payloadSchema>;

/** A fact that happened. `seq` counts a partition's events without gaps. */
export type InventoryEvent = {
  event_id: string;
  type: EventType;
  seq: number;
  payload: HoldPayload;
};

/** An entry that is no event. `message` says which field and why. */
export class MalformedEvent extends Error {
  override name = "MalformedEvent";
}

/**
 * Reads the fields of a stream entry.
 * @throws MalformedEvent when a field is missing, or is not what this version of Holdfast understands
 */
export function parseEvent(fields: Record<string, string>): InventoryEvent {
  const entry = parse(entrySchema, fields);
  let json: unknown;
  try {
    json = JSON.parse(entry.payload);
  } catch {
    throw new MalformedEvent("payload: not JSON");
  }
  const payload = parse(payloadSchema, json);
  if (payload.status !== HOLD_EVENTS[entry.type]) {
    throw new MalformedEvent(`payload.status: ${payload.status} in a ${entry.type}`);
  }
  if (payload.status === "CONFIRMED" && !(payload.order_id && payload.payment_ref)) {
    throw new MalformedEvent("payload: a HOLD_CONFIRMED without order_id or payment_ref");
  }
  return {
    event_id: entry.event_id,
    type: entry.type,
    seq: Number(entry.seq),
    payload,
  };
}

/** How one event changed each of its stocks. */
export function stockDeltas(type: EventType, quantity: number) {
  switch (type) {
    case "HOLD_CREATED":
      return { available_delta: -quantity, held_delta: quantity };
    case "HOLD_CONFIRMED":
      return { available_delta: 0, held_delta: -quantity };
    case "HOLD_CANCELLED":
    case "HOLD_EXPIRED":
      return { available_delta: quantity, held_delta: -quantity };
  }
}

function parse<Schema extends z.ZodType>(schema: Schema, value: unknown): z.infer<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
  throw new MalformedEvent(issues.join("; "));
}
