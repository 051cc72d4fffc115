import { type Line, parseLines } from "../domain/hold.ts";
import { newEventId } from "../domain/ids.ts";
import { LINES_MAX } from "../domain/limits.ts";
import { Rejection } from "../domain/rejection.ts";
import type { Tuple } from "./batcher.ts";
import { type CallContext, endedRefusal } from "./deciding.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { lineArgs, type SubmitWithLines } from "./hold-lines.ts";
import { takenRefusal } from "./holding.ts";
import type { Keys } from "./keys.ts";
import type { Releases } from "./releases.ts";

const SOLD = "The hold is sold; it can't be changed.";

/** What becomes of a hold while it lives: a part of createInventory, whose functions throw alike. */
export function createHoldChanges({
  submitWithLines,
  keys,
  releases,
}: {
  submitWithLines: SubmitWithLines;
  keys: Keys;
  releases: Releases;
}) {
  /**
   * Gives a hold more time: `ttl_seconds` from now, at most as much as its rules allow, and never less than
   * it has. What does not make it longer is no extension.
   */
  async function extendHold(
    input: {
      hold_id: string;
      ttl_seconds: number;
      idempotency_key?: string | undefined;
      route?: "extend" | "v1_extend" | undefined;
    },
    context: CallContext,
  ): Promise<{
    expires_at: number;
    max_expires_at: number;
    extensions_left: number;
    replayed: boolean;
  }> {
    const event_id = newEventId();
    // Without a key, the event's own id is one: a reply that was lost must not become a second extension.
    const { hold_id, ttl_seconds, idempotency_key = event_id, route = "extend" } = input;
    const tuple = await submitWithLines(hold_id, context, (lines) => ({
      script: "extend_holds",
      keys: [keys.hold(hold_id), keys.idem(route, idempotency_key), ...lines.flatMap(keys.ofStock)],
      args: [
        event_id,
        context.request_id,
        hold_id,
        fingerprintOf([route, hold_id, ttl_seconds]),
        ...lineArgs(lines),
        String(ttl_seconds * 1000),
      ],
    }));
    switch (tuple[0]) {
      case "EXTENDED":
      case "REPLAYED":
        return { ...timesIn(tuple.slice(2)), replayed: tuple[1] !== event_id };
      case "UNCHANGED":
        return { ...timesIn(tuple.slice(1)), replayed: false };
      default:
        throw endedRefusal(hold_id, tuple, SOLD);
    }
  }

  /**
   * Sets the quantities of some skus of a hold; 0 takes one out, and taking the last one out cancels it.
   * The others stay, and so does its deadline.
   * @param input.wanted each sku once
   * @param input.if_version only when the hold is still at this version
   */
  async function changeHold(
    input: {
      hold_id: string;
      wanted: { sku: string; quantity: number }[];
      if_version?: number | undefined;
      idempotency_key: string;
    },
    context: CallContext,
  ): Promise<ChangedHold> {
    const { hold_id, wanted, if_version, idempotency_key } = input;
    const event_id = newEventId();
    const tuple = await submitWithLines(hold_id, context, (lines) => {
      const named = inStoreOf(lines, wanted);
      return {
        script: isMore(lines, named) ? "change_holds" : "reduce_holds",
        keys: [
          keys.hold(hold_id),
          keys.idem("change", idempotency_key),
          ...[...lines, ...named].flatMap(keys.ofStock),
        ],
        args: [
          event_id,
          context.request_id,
          hold_id,
          fingerprintOf(["change", hold_id, bySku(wanted), if_version ?? null]),
          ...lineArgs(lines),
          if_version === undefined ? "" : String(if_version),
          ...lineArgs(named),
        ],
      };
    });
    switch (tuple[0]) {
      case "CHANGED":
      case "CANCELLED":
        return changedHold(tuple, event_id);
      case "REPLAYED": {
        const [word, ...rest] = tuple.slice(1);
        return changedHold([String(word), ...rest], event_id);
      }
      case "UNCHANGED":
        return changedHold(["CHANGED", event_id, ...tuple.slice(1)], event_id);
      case "VERSION_CONFLICT":
        throw new Rejection("VERSION_CONFLICT", `The hold is at version ${tuple[1]}.`, {
          hold_id,
          version: Number(tuple[1]),
        });
      case "SOLD_OUT":
      case "ALL_HELD":
        throw await takenRefusal(releases, tuple, tuple[0], true);
      default:
        throw endedRefusal(hold_id, tuple, SOLD);
    }
  }

  return { extendHold, changeHold };
}

export type ChangedHold = {
  status: "ACTIVE" | "CANCELLED";
  version: number;
  expires_at: number;
  /** What it has now. */
  lines: Line[];
  replayed: boolean;
};

// CHANGED or CANCELLED, event_id, version, expires_at, and then lines: one text, or a word for each.
function changedHold([word, by, version, expires_at, ...lines]: Tuple, event_id: string) {
  const left = lines.length === 0 ? [] : parseLines(lines.join(" "));
  if (!left) throw new Error("A script replied lines that are none.");
  return {
    status: word === "CANCELLED" ? word : "ACTIVE",
    version: Number(version),
    expires_at: Number(expires_at),
    lines: left,
    replayed: by !== event_id,
  } as const;
}

function timesIn([expires_at, max_expires_at, extensions_left]: unknown[]) {
  return {
    expires_at: Number(expires_at),
    max_expires_at: Number(max_expires_at),
    extensions_left: Number(extensions_left),
  };
}

// All lines of a hold are of one store. Of none, there is nothing to change, and the script says why.
function inStoreOf(lines: Line[], wanted: { sku: string; quantity: number }[]): Line[] {
  const store_id = lines[0]?.store_id;
  if (store_id === undefined) return [];
  const named = wanted.map(({ sku, quantity }) => ({ sku, store_id, quantity }));
  const kept = lines.filter(({ sku }) => !wanted.some((line) => line.sku === sku));
  if (kept.length + named.filter(({ quantity }) => quantity > 0).length > LINES_MAX) {
    throw new Rejection(
      "INVALID_REQUEST",
      `With these it would have more than ${LINES_MAX} lines.`,
    );
  }
  return named;
}

const isMore = (lines: Line[], named: Line[]) =>
  named.some(({ sku, quantity }) => {
    const before = lines.find((line) => line.sku === sku)?.quantity ?? 0;
    return quantity > before;
  });

const bySku = (wanted: { sku: string; quantity: number }[]) =>
  wanted.toSorted((a, b) => (a.sku < b.sku ? -1 : 1));
