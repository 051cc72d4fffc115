import { z } from "zod";
import { LINES_MAX, QUANTITY_MAX } from "../../domain/limits.ts";
import { Rejection } from "../../domain/rejection.ts";
import type { RouteDeps } from "../deps.ts";
import { holdId, holdVersion, isoTime, sku, time } from "../fields.ts";
import { knownForm } from "../find-hold.ts";
import { ENDED_PROBLEMS, TAKING_PROBLEMS } from "../problem-kinds.ts";
import { type Route, route } from "../route.ts";

const qty = z.int().min(0).max(QUANTITY_MAX).meta({
  description: "Units it is to have; 0 takes the sku out.",
  example: 1,
});

/** A reservation is changed while it lives: less at once, more when there is more. */
export function createChangeRoutes({ inventory, request_budget_ms }: RouteDeps): Route[] {
  const change = route(
    {
      method: "PATCH",
      path: "/v1/reservations/{id}",
      roles: ["checkout"],
      owned: { kind: "HOLD", by: "id" },
      tag: "Reservations",
      summary: "Change how many units are reserved",
      description:
        "Of the skus that you name; a new one is added, from the same store. Less always works and gives units back at once, more takes only the difference. All lines or none. `expiresAt` stays; without a line left, the reservation is cancelled. What is so already is no change, and not remembered.",
      idempotency_key: "REQUIRED",
      if_match: true,
      params: z.object({ id: holdId }),
      body: z.strictObject({
        lines: z.array(z.strictObject({ sku, qty })).min(1).max(LINES_MAX),
      }),
      answers: {
        202: {
          description: "Changed.",
          body: z.object({
            reservationId: holdId,
            status: z.enum(["CREATED", "CANCELLED"]),
            lines: z.array(z.object({ sku, qty: z.int().meta({ example: 1 }) })),
            expiresAt: time,
            version: holdVersion,
          }),
        },
      },
      problems: [...ENDED_PROBLEMS, "VERSION_CONFLICT", ...TAKING_PROBLEMS],
    },
    request_budget_ms,
    async ({ params: { id }, body, key, if_version, context }) => {
      refuseTwice(body.lines.map((line) => line.sku));
      const wanted = body.lines.map((line) => ({ sku: line.sku, quantity: line.qty }));
      const hold = await inventory.changeHold(
        { hold_id: knownForm(id), wanted, if_version, idempotency_key: key },
        context,
      );
      return {
        status: 202,
        replayed: hold.replayed,
        body: {
          reservationId: id,
          status: hold.status === "ACTIVE" ? "CREATED" : hold.status,
          lines: hold.lines.map((line) => ({ sku: line.sku, qty: line.quantity })),
          expiresAt: isoTime(hold.expires_at),
          version: hold.version,
        },
      };
    },
  );

  return [change];
}

// Two quantities for one sku contradict each other: a sum would be as wrong as either.
function refuseTwice(skus: string[]): void {
  const i = skus.findIndex((name, at) => skus.indexOf(name) !== at);
  if (i === -1) return;
  const detail = `names ${skus[i]} a second time`;
  throw new Rejection("INVALID_REQUEST", `A line ${detail}.`, {
    errors: [{ pointer: `#/lines/${i}/sku`, detail }],
  });
}
