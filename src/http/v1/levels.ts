import { z } from "zod";
import { NOTES_CHARS_MAX, REFERENCE_CHARS_MAX, UNITS_MAX } from "../../domain/limits.ts";
import { text } from "../parse.ts";

// What the routes about stock share.

const units = z.int().min(0);

/** The counts of one stock, as /v1 shows them. */
export const levels = {
  onHand: units.meta({ description: "Units that are there: reserved + available.", example: 100 }),
  reserved: units.meta({ description: "Units that reservations hold.", example: 3 }),
  available: units.meta({ description: "Units that may be sold.", example: 97 }),
  version: units.meta({ description: "One more with each change.", example: 7 }),
};

export const presentLevels = (counts: { available: number; held: number; version: number }) => ({
  onHand: counts.available + counts.held,
  reserved: counts.held,
  available: counts.available,
  version: counts.version,
});

export const shortfall = units.meta({
  description: "How many more are reserved than were counted.",
  example: 0,
});
export const shortfallOf = (held: number, counted: number) => Math.max(0, held - counted);

/** Of a change. */
export const delta = z
  .int()
  .min(-UNITS_MAX)
  .max(UNITS_MAX)
  .refine((units) => units !== 0, "must not be 0")
  .meta({ description: "Units to add, or to take away.", example: -2 });

export const eventId = z.string().meta({ example: "01a1fbe0-b90a-7068-a328-4e73558f5087" });
export const reference = text(REFERENCE_CHARS_MAX).meta({
  description: "Your name of what caused it. Kept in the history.",
  example: "PO-4711",
});
export const notes = text(NOTES_CHARS_MAX).meta({ description: "Kept in the history." });
