import { z } from "zod";
import { type HoldStatus, statusAt } from "../../domain/hold.ts";
import { WAITER_ID_PATTERN } from "../../domain/ids.ts";
import { TTL_SECONDS_MAX } from "../../domain/limits.ts";
import { Rejection } from "../../domain/rejection.ts";
import { offerOf } from "../../domain/waiter.ts";
import { readWaiter } from "../../postgres/waiters.ts";
import { Recovering, RedisFault } from "../../redis/outcome.ts";
import { type Leaving, type Placed, waiterNotFound } from "../../redis/waiting.ts";
import type { RequestContext } from "../answer.ts";
import type { RouteDeps } from "../deps.ts";
import { holdId, isoTime, quantity, sku, storeId, time, userId, waiterId } from "../fields.ts";
import { findHold } from "../find-hold.ts";
import { askLedger, readRecorded } from "../ledger-call.ts";
import { type Route, route } from "../route.ts";
import { inStore } from "../stores-known.ts";

const TAG = "Waiting list";

const status = z.enum(["WAITING", "OFFERED", "TAKEN", "EXPIRED", "CANCELLED", "LEFT", "REFUSED"]);
/** What became of an offer, by its hold. */
const OFFER_STATUS: Record<HoldStatus, z.infer<typeof status>> = {
  ACTIVE: "OFFERED",
  CONFIRMED: "TAKEN",
  EXPIRED: "EXPIRED",
  CANCELLED: "CANCELLED",
};

const position = z.int().min(1).meta({ description: "1 is served next.", example: 1 });
const place = { waiterId, sku, storeId, qty: quantity, customerId: userId, joinedAt: time };
const joined = z.object({ ...place, status: z.literal("WAITING"), position });
const shown = z.object({
  ...place,
  status,
  position: position.optional(),
  reservationId: holdId.optional().meta({ description: "The offer." }),
  expiresAt: time.optional(),
});
const left = z.object({
  waiterId,
  status: z.enum(["LEFT", "CANCELLED", "EXPIRED", "REFUSED"]),
});
const params = z.object({ id: waiterId });

/** Who waits for units of a stock that is out. */
export function createWaitlistRoutes(deps: RouteDeps): Route[] {
  const { waiting, inventory, default_store, request_budget_ms } = deps;

  const join = route(
    {
      method: "POST",
      path: "/v1/waitlist",
      roles: ["checkout"],
      owned: { kind: "CUSTOMER", by: "customerId" },
      tag: TAG,
      summary: "Wait for units of a stock that is out",
      description:
        "First come, first served: units that come back are reserved for the next in line for `offerSeconds`, before anybody else can take them; confirm that reservation to buy. When fewer have come than the first one wants, the first of the ten in front for whom they suffice gets them, and anybody may reserve them only when they suffice for none of these ten. An offer that ends unsold goes to the next. Whom a limit of the sale lets have no more when it is his turn is REFUSED.",
      idempotency_key: "REQUIRED",
      body: z.strictObject({
        sku,
        storeId: storeId.optional(),
        qty: quantity,
        customerId: userId,
        offerSeconds: z.int().min(1).max(TTL_SECONDS_MAX).meta({
          description: "How long the offer is kept; no longer than the sale's maxHoldSeconds.",
          example: 600,
        }),
      }),
      answers: {
        202: {
          description: "In the queue.",
          body: joined,
          headers: { Location: "Where to read it." },
        },
      },
      problems: [
        "ALREADY_WAITING",
        "LIMIT_EXCEEDED",
        "SALE_CLOSED",
        "SALE_NOT_OPEN",
        "SALE_PAUSED",
        "STOCK_AVAILABLE",
        "STORE_NOT_FOUND",
        "UNKNOWN_SKU",
        "WAITING_LIST_FULL",
      ],
    },
    request_budget_ms,
    async ({ body, key, context }) => {
      const { sku, qty, customerId, offerSeconds, storeId: store_id = default_store } = body;
      const waiter = await inStore(deps, store_id, () =>
        waiting.join(
          { sku, store_id, quantity: qty, user_id: customerId, offer_seconds: offerSeconds },
          key,
          context,
        ),
      );
      return {
        status: 202,
        replayed: waiter.replayed,
        headers: { Location: `/v1/waitlist/${waiter.waiter_id}` },
        body: {
          waiterId: waiter.waiter_id,
          ...{ sku, storeId: store_id, qty, customerId },
          status: "WAITING",
          position: waiter.position,
          joinedAt: isoTime(waiter.joined_at),
        },
      };
    },
  );

  const read = route(
    {
      method: "GET",
      path: "/v1/waitlist/{id}",
      roles: ["checkout", "operator", "viewer"],
      owned: { kind: "WAITER", by: "id" },
      tag: TAG,
      summary: "A place in the queue, or what became of it",
      description:
        "OFFERED until `expiresAt`; then TAKEN if its reservation was confirmed, else EXPIRED or CANCELLED.",
      projection: true,
      params,
      answers: { 200: { description: "The waiter.", body: shown } },
      problems: ["WAITER_NOT_FOUND"],
    },
    request_budget_ms,
    async ({ params: { id }, context }) => {
      const { waiter, lag_ms } = await findWaiter(deps, knownForm(id), context);
      return { status: 200, lag_ms, body: await present(deps, waiter, context) };
    },
  );

  const leave = route(
    {
      method: "DELETE",
      path: "/v1/waitlist/{id}",
      roles: ["checkout"],
      owned: { kind: "WAITER", by: "id" },
      tag: TAG,
      summary: "Leave the queue",
      description: "An offer that was made already is cancelled, and goes to the next.",
      idempotency_key: "REQUIRED",
      params,
      answers: { 202: { description: "Waits no more.", body: left } },
      problems: ["HOLD_ALREADY_CONFIRMED", "HOLD_NOT_FOUND", "WAITER_NOT_FOUND"],
    },
    request_budget_ms,
    async ({ params: { id }, key, context }) => {
      const leaving = await waiting.leave(knownForm(id), key, context).catch((error: unknown) => {
        if (!(error instanceof Rejection) || error.code !== "WAITER_NOT_FOUND") throw error;
        return leftBefore(deps, id, context);
      });
      if (leaving.outcome !== "OFFERED") {
        const { outcome, replayed } = leaving;
        return { status: 202, replayed, body: { waiterId: id, status: outcome } };
      }
      const { status, replayed } = await inventory.cancelHold(
        { route: "waitlist_leave", hold_id: leaving.hold_id, reason: "", idempotency_key: key },
        context,
      );
      const ended = status === "EXPIRED" ? "EXPIRED" : "CANCELLED";
      return { status: 202, replayed, body: { waiterId: id, status: ended } };
    },
  );

  return [join, read, leave];
}

// Redis forgets who waits no more, and may be away; the ledger may not know a new one yet.
export async function findWaiter(
  deps: RouteDeps,
  waiter_id: string,
  context: RequestContext,
): Promise<{ waiter: Placed; lag_ms: number }> {
  const in_redis = await deps.waiting.readWaiter(waiter_id).catch((error: unknown) => {
    if (error instanceof RedisFault) return error;
    throw error;
  });
  if (in_redis && !(in_redis instanceof RedisFault)) return { waiter: in_redis, lag_ms: 0 };
  const { recorded, lag_ms } = await readRecorded(deps, context, () =>
    readWaiter(deps.pool, waiter_id),
  );
  if (recorded) return { waiter: recorded, lag_ms };
  if (in_redis) throw in_redis;
  if (await deps.isAdmitted()) throw waiterNotFound();
  throw new Recovering("Redis is not admitted, so it can't say that there is no such waiter.");
}

// One that Redis has forgotten.
async function leftBefore(
  { pool }: RouteDeps,
  waiter_id: string,
  context: RequestContext,
): Promise<Leaving> {
  const recorded = await askLedger(context, readWaiter(pool, waiter_id));
  if (!recorded || recorded.status === "WAITING") throw waiterNotFound();
  const { status } = recorded;
  return status === "OFFERED"
    ? { outcome: status, hold_id: offerOf(waiter_id) }
    : { outcome: status, replayed: true };
}

async function present(
  deps: RouteDeps,
  waiter: Placed,
  context: RequestContext,
): Promise<z.infer<typeof shown>> {
  const { waiter_id, sku, store_id, quantity, user_id, joined_at, status } = waiter;
  const common = {
    ...{ waiterId: waiter_id, sku, storeId: store_id, qty: quantity, customerId: user_id },
    joinedAt: isoTime(joined_at),
  };
  if (status === "WAITING") return { ...common, status, position: waiter.position ?? undefined };
  if (status !== "OFFERED") return { ...common, status };
  const { hold } = await findHold(deps, offerOf(waiter_id), context);
  return {
    ...common,
    status: OFFER_STATUS[statusAt(hold, deps.inventory.now())],
    reservationId: hold.hold_id,
    expiresAt: isoTime(hold.expires_at),
  };
}

/** What can't be a waiter's id is a waiter that does not exist, to the caller. */
function knownForm(id: string): string {
  if (WAITER_ID_PATTERN.test(id)) return id;
  throw waiterNotFound();
}
