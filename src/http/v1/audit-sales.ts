import { z } from "zod";
import { Rejection } from "../../domain/rejection.ts";
import { proposeSaleRepair, SALE_DRIFT_KINDS, SALE_DRIFTS } from "../../domain/sale-audit.ts";
import { once } from "../../postgres/once.ts";
import { type OpenSaleFinding, requestRecount } from "../../postgres/sale-findings.ts";
import { fingerprintOf } from "../../redis/fingerprint.ts";
import { doerOf } from "../answer.ts";
import type { RouteDeps } from "../deps.ts";
import { isoTime, sku, storeId, time, userId } from "../fields.ts";
import { writeLedger } from "../ledger-call.ts";
import { type Route, route } from "../route.ts";

const side = z.string().nullable();

/** A part of what GET /v1/audit lists. */
export const saleDrift = z.object({
  sku,
  storeId: storeId.nullable().meta({ description: "Null when it is about all stores." }),
  customerId: userId
    .nullable()
    .meta({ description: "Null when it is about nobody in particular." }),
  kind: z.enum(SALE_DRIFT_KINDS).meta({
    description: SALE_DRIFT_KINDS.map((kind) => `${kind}: ${SALE_DRIFTS[kind]}`).join(" "),
    example: "CUSTOMER_COUNT",
  }),
  alarm: z.boolean().meta({ example: true }),
  ledgerSays: side.meta({
    description: "As Redis should have it: rules, `<units> <active holds>`, a place in a queue.",
    example: "2 1",
  }),
  redisSays: side.meta({ description: "Null: nothing.", example: "1 1" }),
  foundAt: time,
  lastSeenAt: time,
  advice: z.string().meta({ description: "What you can do." }),
  recount: z.object({ sku, customerId: userId }).nullable().meta({
    description: "The body of a `POST /v1/audit:recount` that puts it right. Null: it can't.",
  }),
  recountRequested: z.boolean().meta({ example: false }),
});

export function presentSaleDrift(found: OpenSaleFinding): z.infer<typeof saleDrift> {
  const { kind, ledger, redis, user_id } = found;
  const { recount, advice } = proposeSaleRepair({ kind, ledger, redis });
  return {
    ...{ sku: found.sku, storeId: found.store_id || null, customerId: user_id || null },
    ...{ kind, alarm: true, ledgerSays: ledger, redisSays: redis, advice },
    foundAt: isoTime(found.found_at),
    lastSeenAt: isoTime(found.last_seen_at),
    recount: recount ? { sku: found.sku, customerId: user_id } : null,
    recountRequested: found.recount_requested,
  };
}

export const createRecountRoute = ({ pool, request_budget_ms }: RouteDeps): Route =>
  route(
    {
      method: "POST",
      path: "/v1/audit:recount",
      roles: ["operator"],
      tag: "Operation",
      summary: "Put right what Redis counts for customers",
      description:
        "Of one customer, or of all of a sku, as far as `GET /v1/audit` lists them as CUSTOMER_COUNT. The audit adds what Redis lacks by the ledger's word at its next look, within seconds; what they buy meanwhile counts as well.",
      idempotency_key: "REQUIRED",
      body: z.strictObject({ sku, customerId: userId.optional() }),
      answers: {
        202: {
          description: "It will be done.",
          body: z.object({ sku, customers: z.int().min(1).meta({ example: 1 }) }),
        },
      },
      problems: ["NOT_FOUND"],
    },
    request_budget_ms,
    async ({ body, key, context }) => {
      const wanted = { sku: body.sku, user_id: body.customerId };
      const by = doerOf(context);
      const call = {
        ...({ route: "recount_customers", key, by } as const),
        fingerprint: fingerprintOf(["recount", wanted.sku, wanted.user_id ?? null]),
      };
      const { result, replayed } = await writeLedger(
        context,
        once(pool, call, async (to) => {
          const customers = await requestRecount(to, by, wanted);
          if (customers > 0) return customers;
          throw new Rejection("NOT_FOUND", "The audit tells of no such count.");
        }),
      );
      return { status: 202, replayed, body: { sku: wanted.sku, customers: result } };
    },
  );
