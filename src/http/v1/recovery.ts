import { z } from "zod";
import { ADMISSION_STATES, FINDINGS } from "../../domain/recovery.ts";
import { Rejection } from "../../domain/rejection.ts";
import { once } from "../../postgres/once.ts";
import { approveRecovery, type Recovery, readRecovery } from "../../postgres/recovery.ts";
import { fingerprintOf } from "../../redis/fingerprint.ts";
import { within } from "../../within.ts";
import { doerOf } from "../answer.ts";
import type { RouteDeps } from "../deps.ts";
import { isoTime, sku, storeId, time } from "../fields.ts";
import { askLedger, writeLedger } from "../ledger-call.ts";
import { type Route, route } from "../route.ts";

const TAG = "Operation";
/** Redis tells in a ms, or is away. */
const REDIS_MS_MAX = 250;

const STATES = ["CLOSED", "REDIS_AWAY", ...ADMISSION_STATES] as const;
const count = z.int().min(0);
const finding = z.enum(FINDINGS).meta({
  description:
    "What Redis was found to be. TAIL_LOST: behind what was recorded or seen. ENTRIES_LOST: ahead, since events were gone before they were recorded. DIVERGED: a former master that went on by itself. INTACT: it was mended while it waited.",
  example: "TAIL_LOST",
});
const difference = z.object({ sku, storeId, held: count, inHolds: count });
const report = z.object({
  finding,
  generation: count.nullable().meta({ description: "Null while it waits.", example: 4 }),
  beganAt: time,
  approvedAt: time.nullable().meta({ example: null }),
  finishedAt: time.nullable(),
  redisSeq: count.meta({ description: "The newest event that Redis knew.", example: 1_180 }),
  appliedSeq: count.meta({ description: "The newest that was recorded.", example: 1_200 }),
  seenSeq: count.meta({ description: "The newest that anybody knows of.", example: 1_203 }),
  lost: z
    .object({
      events: count.meta({ example: 3 }),
      exact: z.boolean().meta({
        description:
          "Whether these are all. Else they are what is known of, and there may be more: nobody has listened to Redis without a break, as after a restart of it.",
        example: true,
      }),
      holds: z.array(z.string()).meta({ example: [] }),
      units: count.meta({ description: "In those holds.", example: 0 }),
    })
    .meta({
      description:
        "What nobody knows any more. Of events that were not recorded the number is all there is, unless they were dead letters: then their holds are named.",
    }),
  restored: z
    .object({
      stocks: count.meta({ example: 2 }),
      units: count.meta({ description: "On hand in these stocks.", example: 140 }),
      activeHolds: count.meta({ example: 12 }),
      endedHolds: count.meta({ example: 5 }),
      records: count.meta({ description: "Of idempotency keys.", example: 17 }),
      rules: count.meta({ description: "Skus whose rules were given back.", example: 1 }),
      customers: count.meta({
        description: "Customers of skus limited per customer, counted anew.",
        example: 12,
      }),
      waiters: count.meta({ description: "Who waits for units of a stock.", example: 3 }),
    })
    .nullable()
    .meta({ description: "What Redis was given back. Null until it is done." }),
  checked: z
    .object({ stocks: count, differing: count, differences: z.array(difference) })
    .nullable()
    .meta({
      description: "Stocks with held units, and those whose holds add up to something else.",
      example: { stocks: 9, differing: 0, differences: [] },
    }),
  seconds: z.number().nullable().meta({
    description: "How long nothing was sold, without the wait for an approval.",
    example: 0.31,
  }),
});

/** What became of Redis after it may have lost data, and an operator's word that it may go on. */
export function createRecoveryRoutes(deps: RouteDeps): Route[] {
  const { pool, request_budget_ms } = deps;

  const status = route(
    {
      method: "GET",
      path: "/v1/recovery",
      roles: ["operator", "viewer"],
      tag: TAG,
      summary: "Whether the store is open, and what it had lost when it last was not",
      description:
        "While `state` is not OPEN nothing is decided. CLOSED: no worker is at it. WAITING_FOR_APPROVAL: `POST /v1/recovery:approve` lets it go on (setting `RECOVERY=manual`).",
      projection: true,
      answers: {
        200: {
          description: "Both.",
          body: z.object({
            state: z.enum(STATES).meta({ example: "OPEN" }),
            since: time.nullable().meta({ description: "Null before the first worker came." }),
            generation: count.meta({ description: "Counts the openings.", example: 4 }),
            report: report.nullable().meta({ description: "Null when nothing was ever lost." }),
          }),
        },
      },
    },
    request_budget_ms,
    async ({ context }) => {
      const [admitted, { state, since, generation, recovery }] = await Promise.all([
        within(REDIS_MS_MAX, deps.isAdmitted()).catch(() => null),
        askLedger(context, readRecovery(pool)),
      ]);
      return {
        status: 200,
        lag_ms: 0,
        body: {
          state: stateOf(admitted, state),
          since: since === null ? null : isoTime(since),
          generation,
          report: recovery && present(recovery),
        },
      };
    },
  );

  const approve = route(
    {
      method: "POST",
      path: "/v1/recovery:approve",
      roles: ["operator"],
      tag: TAG,
      summary: "Let a recovery go on that waits for it",
      description:
        "You agree to what `GET /v1/recovery` reports: what is lost is lost, and Redis is given back what the ledger knows. Approving twice changes nothing. When something else is found before it has begun, it asks again.",
      idempotency_key: "REQUIRED",
      body: z.strictObject({}),
      answers: {
        202: {
          description: "It goes on.",
          body: z.object({ finding, approvedAt: time }),
        },
      },
      problems: ["NOT_FOUND"],
    },
    request_budget_ms,
    async ({ key, context }) => {
      const by = doerOf(context);
      const call = { route: "approve_recovery", key, fingerprint: fingerprintOf([]), by } as const;
      const { result, replayed } = await writeLedger(
        context,
        once(pool, call, async (to) => {
          const approved = await approveRecovery(to, by);
          if (approved) return approved;
          throw new Rejection("NOT_FOUND", "No recovery waits for an approval.");
        }),
      );
      const { finding, approved_at } = result;
      return { status: 202, replayed, body: { finding, approvedAt: isoTime(approved_at) } };
    },
  );

  return [status, approve];
}

// Redis itself knows best whether it is open: a worker may have died before it said so, or not have come yet.
function stateOf(
  admitted: boolean | null,
  state: (typeof ADMISSION_STATES)[number],
): (typeof STATES)[number] {
  if (admitted === null) return "REDIS_AWAY";
  if (admitted) return "OPEN";
  return state === "OPEN" ? "CLOSED" : state;
}

function present({ report: told, ...recovery }: Recovery): z.infer<typeof report> {
  const { restored, checked, ms } = told;
  const at = (millis: number | null) => (millis === null ? null : isoTime(millis));
  return {
    finding: recovery.finding,
    generation: recovery.generation,
    beganAt: isoTime(recovery.began_at),
    approvedAt: at(recovery.approved_at),
    finishedAt: at(recovery.finished_at),
    redisSeq: told.redis_seq,
    appliedSeq: told.applied_seq,
    seenSeq: told.seen_seq,
    lost: {
      events: told.events_lost,
      // Reports of before anybody listened don't say so.
      exact: told.heard_all ?? false,
      holds: told.holds_lost,
      units: told.units_lost,
    },
    restored: restored
      ? {
          stocks: restored.stocks,
          units: restored.units,
          activeHolds: restored.active_holds,
          endedHolds: restored.ended_holds,
          records: restored.records,
          // Reports of before there were rules have none of them.
          rules: restored.rules ?? 0,
          customers: restored.customers ?? 0,
          waiters: restored.waiters ?? 0,
        }
      : null,
    checked: checked
      ? {
          ...checked,
          differences: checked.differences.map(({ sku, store_id, held, in_holds }) => ({
            ...{ sku, storeId: store_id, held, inHolds: in_holds },
          })),
        }
      : null,
    seconds: ms === undefined ? null : ms / 1000,
  };
}
