import type { Redis } from "ioredis";
import type { Hold, HoldStatus } from "../domain/hold.ts";
import { newEventId, newOrderId } from "../domain/ids.ts";
import { Rejection } from "../domain/rejection.ts";
import type { Batcher, Tuple } from "./batcher.ts";
import type { Clock } from "./clock.ts";
import { type CallContext, commonRefusal, endedRefusal } from "./deciding.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { createHoldChanges } from "./hold-changes.ts";
import { parseHold } from "./hold-hash.ts";
import { createLinesReader, createSubmitWithLines, type Idem, lineArgs } from "./hold-lines.ts";
import { createHolding } from "./holding.ts";
import type { IdemRoute, Keys } from "./keys.ts";
import type { Releases } from "./releases.ts";
import type { ScriptName } from "./scripts.ts";
import { createSettling, notHeld, type Part, partArgs, type Sale, saleOf } from "./settling.ts";

export type Inventory = ReturnType<typeof createInventory>;

/**
 * The deciding side: one function for each script. All of them throw RedisFault or Overloaded when Redis
 * can't be asked, CorruptKey when it holds what it should not, and Rejection for an expected no.
 */
export function createInventory(deps: {
  batcher: Batcher;
  redis: Redis;
  clock: Clock;
  keys: Keys;
  releases: Releases;
  /** By how much holds may last longer than asked, at random. */
  jitter_ms_max?: number;
}) {
  const { batcher, clock, keys } = deps;
  const readLines = createLinesReader(batcher, keys);
  const submitWithLines = createSubmitWithLines(batcher, keys, readLines);
  const { createHold } = createHolding({ ...deps, readLines });

  /**
   * Sells a hold's units. Again with the same payment_ref gives the same order.
   * @param input.payment_ref "" when the payment has no name
   * @param input.parts none: all that is held. What is held beyond them goes back
   */
  async function confirmHold(
    input: {
      hold_id: string;
      payment_ref: string;
      parts?: Part[] | undefined;
      idempotency_key?: string | undefined;
      route?: "confirm" | "v1_confirm" | undefined;
    },
    context: CallContext,
  ): Promise<Sale> {
    const order_id = newOrderId();
    const { hold_id, payment_ref, parts = [], route = "confirm" } = input;
    const asked = [hold_id, payment_ref, ...(parts.length > 0 ? [parts] : [])];
    const idem = idemOf(route, input.idempotency_key, asked);
    const args = [order_id, payment_ref, ...partArgs(parts)];
    const tuple = await endHold("confirm_holds", hold_id, idem, args, context);
    switch (tuple[0]) {
      case "CONFIRMED":
      case "REPLAYED":
        return saleOf(tuple, order_id);
      case "NOT_HELD":
        throw notHeld(tuple, parts);
      default:
        throw endedRefusal(hold_id, tuple, "The hold was confirmed for another payment_ref.");
    }
  }

  /** Gives a hold's units back. A hold that ended without being sold answers how it ended. */
  async function cancelHold(
    input: {
      hold_id: string;
      reason: string;
      idempotency_key?: string | undefined;
      route?: "cancel" | "v1_cancel" | "waitlist_leave" | undefined;
    },
    context: CallContext,
  ): Promise<{ status: HoldStatus; replayed: boolean }> {
    const { hold_id, reason, route = "cancel" } = input;
    const idem = idemOf(route, input.idempotency_key, [hold_id, reason]);
    const tuple = await endHold("cancel_holds", hold_id, idem, [reason], context);
    switch (tuple[0]) {
      case "CANCELLED":
      case "EXPIRED":
        return { status: tuple[0], replayed: false };
      case "REPLAYED":
        return {
          status: tuple[1] === "EXPIRED" ? "EXPIRED" : "CANCELLED",
          replayed: true,
        };
      case "HOLD_ALREADY_CONFIRMED":
        throw new Rejection("HOLD_ALREADY_CONFIRMED", "The hold is sold; it can't be cancelled.", {
          hold_id,
        });
      default:
        throw commonRefusal(tuple);
    }
  }

  /** Gives the units of a due hold back. Never throws a Rejection: returns the script's outcome word. */
  async function expireHold(
    hold_id: string,
    context: CallContext,
  ): Promise<"EXPIRED" | "NOT_DUE" | "ENDED" | "HOLD_NOT_FOUND" | "CORRUPT"> {
    const tuple = await endHold("expire_holds", hold_id, null, [], context);
    switch (tuple[0]) {
      case "EXPIRED":
      case "NOT_DUE":
      case "ENDED":
      case "HOLD_NOT_FOUND":
      case "CORRUPT":
        return tuple[0];
      default:
        throw commonRefusal(tuple);
    }
  }

  /** The hold as it is in Redis, with its lines; null when there is none. */
  async function readHold(hold_id: string, context: CallContext): Promise<Hold | null> {
    const request = { keys: [keys.hold(hold_id)], args: ["HOLD"] };
    const tuple = await batcher.submit("read_holds", request, context.deadline);
    if (tuple[0] === "HOLD_NOT_FOUND") return null;
    const hold = tuple[0] === "HOLD" ? parseHold(hold_id, tuple) : null;
    if (!hold) throw commonRefusal(["CORRUPT", keys.hold(hold_id)]);
    return hold;
  }

  function endHold(
    script: ScriptName,
    hold_id: string,
    idem: Idem | null,
    args: string[],
    context: CallContext,
  ): Promise<Tuple> {
    const event_id = newEventId();
    return submitWithLines(hold_id, context, (lines) => ({
      script,
      keys: [keys.hold(hold_id), ...(idem ? [idem.key] : []), ...lines.flatMap(keys.ofStock)],
      args: [
        event_id,
        context.request_id,
        hold_id,
        idem?.fingerprint ?? "",
        ...lineArgs(lines),
        ...args,
      ],
    }));
  }

  function idemOf(route: IdemRoute, key: string | undefined, request: unknown[]) {
    return key === undefined
      ? null
      : {
          key: keys.idem(route, key),
          fingerprint: fingerprintOf([route, ...request]),
        };
  }

  return {
    createHold,
    confirmHold,
    ...createSettling({ submitWithLines, idemOf, keys }),
    cancelHold,
    expireHold,
    readHold,
    ...createHoldChanges({ ...deps, submitWithLines }),
    now: clock.now,
  };
}
