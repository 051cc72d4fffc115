import { z } from "zod";
import { once } from "../../postgres/once.ts";
import {
  orderRebuild,
  type Rebuild,
  type Recorded,
  readProjections,
} from "../../postgres/projections.ts";
import { fingerprintOf } from "../../redis/fingerprint.ts";
import { within } from "../../within.ts";
import { doerOf } from "../answer.ts";
import type { RouteDeps } from "../deps.ts";
import { isoTime, time } from "../fields.ts";
import { askLedger, writeLedger } from "../ledger-call.ts";
import { type Route, route } from "../route.ts";

const TAG = "Operation";
/** Redis tells in a ms, or is away. */
const REDIS_MS_MAX = 250;

const count = z.int().min(0);
const partition = z.object({
  partition: count.meta({ example: 0 }),
  appliedSeq: count.meta({ description: "The newest event that is recorded.", example: 41 }),
  decidedSeq: count.nullable().meta({
    description: "The newest event there is. Null while Redis is away.",
    example: 43,
  }),
  backlog: count.nullable().meta({ description: "Events yet to be recorded.", example: 2 }),
  lagMs: count.meta({
    description:
      "How old the oldest of them is. While Redis is away: since when there may be some.",
    example: 18,
  }),
  updatedAt: time.nullable().meta({ description: "When something was last recorded." }),
});

const STATES = ["NONE", "REQUESTED", "RUNNING", "DONE"] as const;
const rebuild = z.object({
  requestedAt: time.nullable(),
  startedAt: time.nullable(),
  finishedAt: time.nullable(),
  stocksTotal: count.nullable().meta({
    description: "About how many, until it is done. Null before it has begun.",
    example: 1_200,
  }),
  stocksDone: count.meta({ example: 400 }),
  stocksCorrected: count.meta({
    description: "Those whose counts were not the sum of their movements.",
    example: 0,
  }),
  state: z.enum(STATES).meta({ example: "RUNNING" }),
});

/** How the ledger's counts follow what was decided. There is one partition so far, number 0. */
export function createProjectionRoutes(deps: RouteDeps): Route[] {
  const { pool, request_budget_ms } = deps;

  const status = route(
    {
      method: "GET",
      path: "/v1/projections/status",
      roles: ["operator", "viewer"],
      tag: TAG,
      summary: "How far the ledger is behind, and how the last rebuild went",
      projection: true,
      answers: {
        200: {
          description: "Both.",
          body: z.object({ partitions: z.array(partition), rebuild }),
        },
      },
    },
    request_budget_ms,
    async ({ context }) => {
      const [lag_ms, decided_seq, projections] = await Promise.all([
        askLedger(context, deps.readLag()),
        readDecided(deps),
        askLedger(context, readProjections(pool)),
      ]);
      const { recorded } = projections;
      return {
        status: 200,
        lag_ms,
        body: {
          partitions: (recorded.length > 0 ? recorded : [NOTHING_RECORDED]).map((of) =>
            presentPartition(of, decided_seq, lag_ms),
          ),
          rebuild: presentRebuild(projections.rebuild),
        },
      };
    },
  );

  const start = route(
    {
      method: "POST",
      path: "/v1/projections/rebuild",
      roles: ["operator"],
      tag: TAG,
      summary: "Sum up all movements anew, in the background",
      description:
        "Reads go on meanwhile. While a rebuild is open there is no second one: the answer tells of that one.",
      idempotency_key: "REQUIRED",
      body: z.strictObject({}),
      answers: { 202: { description: "It will be done.", body: rebuild } },
    },
    request_budget_ms,
    async ({ key, context }) => {
      const by = doerOf(context);
      const call = {
        route: "rebuild_projections",
        key,
        fingerprint: fingerprintOf([]),
        by,
      } as const;
      const { result, replayed } = await writeLedger(
        context,
        once(pool, call, (to) => orderRebuild(to, by)),
      );
      return { status: 202, replayed, body: presentRebuild(result) };
    },
  );

  return [status, start];
}

type Progress = Omit<Recorded, "applied_entry_id" | "updated_at" | "caught_up_at"> & {
  updated_at: number | null;
};
const NOTHING_RECORDED: Progress = { partition: 0, applied_seq: 0, updated_at: null };

// Shown as what it is: Redis is away.
const readDecided = (deps: RouteDeps) => within(REDIS_MS_MAX, deps.lastSeq()).catch(() => null);

function presentPartition(
  { partition: id, applied_seq, updated_at }: Progress,
  decided_seq: number | null,
  lag_ms: number,
): z.infer<typeof partition> {
  return {
    partition: id,
    appliedSeq: applied_seq,
    decidedSeq: decided_seq,
    backlog: decided_seq === null ? null : Math.max(0, decided_seq - applied_seq),
    lagMs: Math.ceil(lag_ms),
    updatedAt: updated_at === null ? null : isoTime(updated_at),
  };
}

function presentRebuild(shown: Rebuild | null): z.infer<typeof rebuild> {
  const at = (millis: number | null | undefined) => (millis ? isoTime(millis) : null);
  return {
    requestedAt: at(shown?.requested_at),
    startedAt: at(shown?.started_at),
    finishedAt: at(shown?.finished_at),
    stocksTotal: shown?.stocks_total ?? null,
    stocksDone: shown?.stocks_done ?? 0,
    stocksCorrected: shown?.stocks_corrected ?? 0,
    state: stateOf(shown),
  };
}

function stateOf(shown: Rebuild | null): (typeof STATES)[number] {
  if (!shown) return "NONE";
  if (shown.finished_at !== null) return "DONE";
  return shown.started_at === null ? "REQUESTED" : "RUNNING";
}
