import { type Line, parseLines } from "../domain/hold.ts";
import type { Batcher, ScriptRequest, Tuple } from "./batcher.ts";
import { type CallContext, createSubmit, nothingDone } from "./deciding.ts";
import type { Keys } from "./keys.ts";
import type { ScriptName } from "./scripts.ts";

/** How often a hold's lines may change while somebody asks with them. */
const STALE_LINES_TRIES_MAX = 100;

/** A caller's idempotency key, as a script takes it. */
export type Idem = { key: string; fingerprint: string };

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

export type SubmitWithLines = ReturnType<typeof createSubmitWithLines>;

/** Runs the scripts that need the keys of a hold's stocks, which are known by its lines. */
export function createSubmitWithLines(batcher: Batcher, keys: Keys, readLines: LinesReader) {
  const submit = createSubmit(batcher);

  /**
   * Reads a hold's lines and runs a script with them.
   * @param requestOf makes the request; of no lines when there is no hold, or none that can be read. It must
   * have the same event_id and idempotency key each time, so that its own lost reply is known
   */
  return async (
    hold_id: string,
    context: CallContext,
    requestOf: (lines: Line[]) => ScriptRequest & { script: ScriptName },
  ): Promise<Tuple> => {
    const tuple = await untilLinesHold(async () => {
      const { script, ...request } = requestOf(await readLines(hold_id, context));
      return submit(script, context, request);
    });
    return tuple ?? ["CORRUPT", keys.hold(hold_id)];
  };
}

/**
 * Asks with lines as they were read. A script refuses when they are not the hold's lines any more; then it is
 * asked again. Nobody changes them a hundred times: null when somebody did.
 * @param ask reads the lines each time
 */
export async function untilLinesHold(ask: () => Promise<Tuple>): Promise<Tuple | null> {
  for (let tries = 1; tries <= STALE_LINES_TRIES_MAX; tries += 1) {
    const tuple = await ask();
    if (tuple[0] !== "STALE_LINES") return tuple;
  }
  return null;
}

/** Lines as the scripts take them. */
export const lineArgs = (lines: Line[]) => [
  String(lines.length),
  ...lines.flatMap(({ sku, store_id, quantity }) => [sku, store_id, String(quantity)]),
];
