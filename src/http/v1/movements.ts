import { z } from "zod";
import { MOVING_EVENTS } from "../../domain/event.ts";
import { createHistory } from "../../postgres/history.ts";
import type { MovementPlace, StockMovement } from "../../postgres/history-movements.ts";
import type { RouteDeps } from "../deps.ts";
import {
  cursor,
  HOLD_ID_EXAMPLE,
  isoTime,
  limit,
  pageOf,
  presentPage,
  sku,
  storeId,
  time,
} from "../fields.ts";
import { readRecorded } from "../ledger-call.ts";
import { type Route, route } from "../route.ts";

const KINDS = [...MOVING_EVENTS, "EXTERNAL"] as const;

const delta = z.int().meta({ example: -2 });
export const shownMovement = z.object({
  sku,
  storeId,
  kind: z.enum(KINDS).meta({
    description: "The event that moved it. EXTERNAL is what no event of ours explains.",
    example: "HOLD_CREATED",
  }),
  availableDelta: delta,
  heldDelta: z.int().meta({ example: 2 }),
  onHandDelta: z.int().meta({ description: "The sum of the two.", example: 0 }),
  version: z.int().nullable().meta({ description: "The stock's, after it.", example: 7 }),
  reason: z.string().nullable().meta({ example: null }),
  reference: z.string().nullable().meta({
    description: "The reservation, or what the change of stock named.",
    example: HOLD_ID_EXAMPLE,
  }),
  notes: z.string().nullable().meta({ example: null }),
  actor: z.string().nullable().meta({
    description:
      "Who: the customer, the name of the caller that changed the stock (`api` with `AUTH=off`), `worker` when time ran out, `outside` for EXTERNAL.",
    example: "ada",
  }),
  eventId: z.string().meta({ example: "01a1fbe0-b8e6-7462-8776-0bd4fb74d143" }),
  occurredAt: time,
});

export function createMovementRoutes(deps: RouteDeps): Route[] {
  const history = createHistory(deps.pool);

  const list = route(
    {
      method: "GET",
      path: "/v1/products/{sku}/movements",
      roles: ["inventory", "operator", "viewer"],
      tag: "Products",
      summary: "Every change of a sku's stock, newest first",
      description:
        "From the first to the last, the deltas add up to what is there, for each store. A sku that was only ever stocked, and is no product, has its movements too.",
      projection: true,
      params: z.object({ sku }),
      query: z.strictObject({ storeId: storeId.optional(), limit, cursor: cursor(place()) }),
      answers: { 200: { description: "A page of them.", body: pageOf(shownMovement) } },
    },
    deps.request_budget_ms,
    async ({ params: { sku }, query: { storeId, limit, cursor }, context }) => {
      const { recorded, lag_ms } = await readRecorded(deps, context, () =>
        history.listMovements({ sku, store_id: storeId, limit, before: cursor }),
      );
      return { status: 200, lag_ms, body: presentPage(recorded, presentMovement, placeText) };
    },
  );

  return [list];
}

/** Where a page ended, as a cursor has it. */
const placeText = ({ recorded_id, movement_id }: MovementPlace) => `${recorded_id}.${movement_id}`;
const place = () =>
  z
    .string()
    .regex(/^\d{1,15}\.\d{1,15}$/, "is not a cursor of this list")
    .transform((text): MovementPlace => {
      const [recorded_id = 0, movement_id = 0] = text.split(".").map(Number);
      return { recorded_id, movement_id };
    });

export function presentMovement(movement: StockMovement): z.infer<typeof shownMovement> {
  const { available_delta, held_delta } = movement;
  return {
    sku: movement.sku,
    storeId: movement.store_id,
    kind: movement.kind,
    availableDelta: available_delta,
    heldDelta: held_delta,
    onHandDelta: available_delta + held_delta,
    version: movement.version,
    reason: movement.reason,
    reference: movement.reference,
    notes: movement.notes,
    actor: movement.actor,
    eventId: movement.event_id,
    occurredAt: isoTime(movement.occurred_at),
  };
}
