import { z } from "zod";
import { REASON_CHARS_MAX } from "../../domain/limits.ts";
import { text } from "../parse.ts";

// What a return says of itself, where it is asked for and where it is shown.

export const restock = z.boolean().meta({
  description: "Whether the units may be sold again. Else they came back and are gone.",
  example: true,
});
export const reason = text(REASON_CHARS_MAX).meta({
  description: "Why, in your words. Kept in the history.",
  example: "too small",
});
