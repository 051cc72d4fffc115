import { isoTime } from "./fields.ts";

/** The same data as /v1 writes it: `store_id` as `storeId`, and a `created_at` in ms as RFC 3339. */
export function camelCased(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(camelCased);
  return isRecord(value) ? camelCasedMembers(value) : value;
}

export const camelCasedMembers = (members: Record<string, unknown>) =>
  Object.fromEntries(
    Object.entries(members).map(([name, value]) => [
      camelCasedName(name),
      name.endsWith("_at") && typeof value === "number" ? isoTime(value) : camelCased(value),
    ]),
  );

/** What the checkout calls a hold is a reservation here. */
export const camelCasedName = (name: string) =>
  name === "hold_id"
    ? "reservationId"
    : name.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null;
