import { z } from "zod";
import type { HoldStatus } from "../domain/hold.ts";
import { EXTENSIONS_DEFAULT } from "../domain/limits.ts";
import type { RouteDeps } from "./deps.ts";
import { holdId, isoTime, time, ttlSeconds } from "./fields.ts";
import { knownForm } from "./find-hold.ts";
import { ENDED_PROBLEMS, type ProblemCode } from "./problem-kinds.ts";
import { type Route, route } from "./route.ts";

const ttl = ttlSeconds.meta({ description: "From now on.", example: 300 });
const left = z.int().meta({ description: "How often it may be extended yet.", example: 9 });

const SUMMARY = "Give more time";
const DESCRIPTION = `The new deadline is ttl_seconds from now, at most maxHoldSeconds from the creation on, and never earlier than the old one. Works maxExtensions times (${EXTENSIONS_DEFAULT} without a rule); what does not make it later is none, and not remembered.`;
const PROBLEMS = [...ENDED_PROBLEMS, "LIMIT_EXCEEDED"] as const satisfies ProblemCode[];

/** More time for whoever is paying: the same for the checkout and for /v1. */
export function createExtendRoutes({ inventory, request_budget_ms }: RouteDeps): Route[] {
  const extendHold = route(
    {
      method: "POST",
      path: "/holds/extend",
      roles: ["checkout"],
      owned: { kind: "HOLD", by: "hold_id" },
      tag: "Checkout",
      summary: SUMMARY,
      description: DESCRIPTION,
      idempotency_key: "OPTIONAL",
      body: z.strictObject({ hold_id: holdId, ttl_seconds: ttl }),
      answers: {
        200: {
          description: "Held until `expires_at`.",
          body: z.object({
            hold_id: holdId,
            status: z.literal("ACTIVE"),
            expires_at: time,
            max_expires_at: time,
            extensions_left: left,
          }),
        },
      },
      problems: [...PROBLEMS],
    },
    request_budget_ms,
    async ({ body: { hold_id, ttl_seconds }, key, context }) => {
      const extended = await inventory.extendHold(
        { hold_id: knownForm(hold_id), ttl_seconds, idempotency_key: key || undefined },
        context,
      );
      return {
        status: 200,
        replayed: extended.replayed,
        body: {
          hold_id,
          status: "ACTIVE" satisfies HoldStatus,
          expires_at: isoTime(extended.expires_at),
          max_expires_at: isoTime(extended.max_expires_at),
          extensions_left: extended.extensions_left,
        },
      };
    },
  );

  const extendReservation = route(
    {
      method: "POST",
      path: "/v1/reservations/{id}:extend",
      roles: ["checkout"],
      owned: { kind: "HOLD", by: "id" },
      tag: "Reservations",
      summary: SUMMARY,
      description: DESCRIPTION.replace("ttl_seconds", "ttlSeconds"),
      idempotency_key: "REQUIRED",
      params: z.object({ id: holdId }),
      body: z.strictObject({ ttlSeconds: ttl }),
      answers: {
        202: {
          description: "Held until `expiresAt`.",
          body: z.object({
            reservationId: holdId,
            status: z.literal("CREATED"),
            expiresAt: time,
            maxExpiresAt: time,
            extensionsLeft: left,
          }),
        },
      },
      problems: [...PROBLEMS],
    },
    request_budget_ms,
    async ({ params: { id }, body: { ttlSeconds: ttl_seconds }, key, context }) => {
      const extended = await inventory.extendHold(
        { route: "v1_extend", hold_id: knownForm(id), ttl_seconds, idempotency_key: key },
        context,
      );
      return {
        status: 202,
        replayed: extended.replayed,
        body: {
          reservationId: id,
          status: "CREATED",
          expiresAt: isoTime(extended.expires_at),
          maxExpiresAt: isoTime(extended.max_expires_at),
          extensionsLeft: extended.extensions_left,
        },
      };
    },
  );

  return [extendHold, extendReservation];
}
