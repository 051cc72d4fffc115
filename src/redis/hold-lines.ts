import { type Line, parseLines } from "../domain/hold.ts";
import type { Batcher } from "./batcher.ts";
import { type CallContext, nothingDone } from "./deciding.ts";
import type { Keys } from "./keys.ts";

export type LinesReader = ReturnType<typeof createLinesReader>;

/** Reads a hold's lines, which name the keys that its end needs. */
export function createLinesReader(batcher: Batcher, keys: Keys) {
  // No hold, or none that can be read: no lines. The ending script says which, and knows the replays.
  return async (hold_id: string, context: CallContext): Promise<Line[]> => {
    const request = { keys: [keys.hold(hold_id)], args: ["LINES"] };
    const tuple = await batcher
      .submit("read_holds", request, context.deadline)
      .catch((error: unknown) => {
        throw nothingDone(error);
      });
    return (tuple[0] === "LINES" && parseLines(String(tuple[1]))) || [];
  };
}

/** Lines as the scripts take them. */
export const lineArgs = (lines: Line[]) => [
  String(lines.length),
  ...lines.flatMap(({ sku, store_id, quantity }) => [sku, store_id, String(quantity)]),
];
