import { z } from "zod";
import { type Counts, DRIFT_KINDS, DRIFTS, isAlarm } from "../../domain/audit.ts";
import { proposeRepair } from "../../domain/audit-repair.ts";
import { stockOf } from "../../domain/batch-plan.ts";
import { ADJUSTMENT_REASONS } from "../../domain/reasons.ts";
import {
  type AuditProgress,
  listOpenFindings,
  type OpenStockFinding,
  readAccounts,
  readAuditProgress,
  type StockAccount,
} from "../../postgres/audit-reads.ts";
import { createHistory } from "../../postgres/history.ts";
import type { StockMovement } from "../../postgres/history-movements.ts";
import type { RouteDeps } from "../deps.ts";
import {
  cursor,
  isoTime,
  pageOf,
  presentPage,
  sku,
  storeId,
  time,
  wholeParameter,
} from "../fields.ts";
import { readRecorded } from "../ledger-call.ts";
import { type Route, route } from "../route.ts";
import { createRecountRoute, presentSaleDrift, saleDrift } from "./audit-sales.ts";
import { levels, presentLevels } from "./levels.ts";
import { presentMovement, shownMovement } from "./movements.ts";

/** Movements that are shown of a stock, the newest ones. */
const CHAIN_MAX = 20;
/** Each item of a page brings its movements. */
const limit = wholeParameter(1, 50, 20);

const count = z.int().min(0);
const signed = z.int();
const side = z.object({ ...levels, onHand: signed, reserved: signed, available: signed });

const proposal = z.object({
  storeId,
  sku,
  delta: z.int().meta({ example: -2 }),
  reason: z.enum(ADJUSTMENT_REASONS).meta({ example: "count" }),
  notes: z.string().meta({ example: "audit: CHANGED_OUTSIDE, finding 7" }),
});

const drift = z.object({
  sku,
  storeId,
  kind: z.enum(DRIFT_KINDS).meta({
    description: DRIFT_KINDS.map((kind) => `${kind}: ${DRIFTS[kind]}`).join(" "),
    example: "CHANGED_OUTSIDE",
  }),
  alarm: z.boolean().meta({
    description: "False: it is a warning, and stops no sale.",
    example: false,
  }),
  ledger: side.meta({
    description: "What its movements add up to, at Redis's version if they have it.",
  }),
  level: side.nullable().meta({ description: "What reads of the ledger show. Null: it has none." }),
  redis: side
    .nullable()
    .meta({ description: "What is sold from. Null when its keys can't be read." }),
  foundAt: time,
  lastSeenAt: time,
  advice: z.string().meta({ description: "What you can do." }),
  proposal: proposal.nullable().meta({
    description:
      "The body of a `POST /v1/adjustments` that makes on hand in Redis what the ledger says. Nobody applies it but you; with `If-Match` and Redis's version only if nothing has moved since. Null where an adjustment can't help.",
  }),
  movements: z.array(shownMovement).meta({
    description: "The newest 20, newest first; `GET /v1/products/{sku}/movements` has all.",
  }),
});

const account = z.object({
  storeId,
  stocked: signed.meta({ description: "By hand: EXTERNAL movements.", example: 100 }),
  adjusted: signed.meta({ description: "Adjustments, counts and transfers.", example: -3 }),
  returned: signed.meta({ example: 0 }),
  sold: signed.meta({ example: 12 }),
  available: signed.meta({ example: 80 }),
  reserved: signed.meta({ example: 5 }),
  version: count.meta({ example: 31 }),
  summedAt: time.meta({ description: "When the audit last had to add something." }),
});

const body = pageOf(z.union([drift, saleDrift])).extend({
  lookedAt: time.nullable().meta({
    description: "When stocks were last looked at. Null: no worker ever has.",
  }),
  rounds: count.meta({ description: "How often all stocks were looked at.", example: 41 }),
  saleRounds: count.meta({
    description: "The same of rules, counts of customers, own holds and who waits.",
    example: 40,
  }),
  lastRound: z
    .object({ beganAt: time, endedAt: time, stocks: count.meta({ example: 1_200 }) })
    .nullable()
    .meta({ description: "The last time that all stocks were looked at." }),
  currentRound: z
    .object({ beganAt: time, stocks: count.meta({ example: 500 }) })
    .nullable()
    .meta({ description: "How many it has looked at so far. Null between two rounds." }),
  accounts: z.array(account).meta({
    description:
      "With `sku`, for each store: stocked + adjusted + returned − sold is available + reserved. As the audit has last added it up.",
  }),
});

/** What the worker that compares Redis with the ledger has found. */
export function createAuditRoutes(deps: RouteDeps): Route[] {
  const { pool } = deps;
  const history = createHistory(pool);

  const read = route(
    {
      method: "GET",
      path: "/v1/audit",
      roles: ["operator", "viewer"],
      tag: "Operation",
      summary: "Stocks and sales on which Redis and the ledger disagree",
      description:
        "All stocks are compared again and again, those that have just moved first, and so is what limits sales: rules, what customers have, their own holds, and who waits. What is listed was found twice, and is so at the moment; it goes by itself when both sides agree again.",
      projection: true,
      query: z.strictObject({ sku: sku.optional(), limit, cursor: cursor(place()) }),
      answers: {
        200: { description: "The last audit, and a page of drifts, oldest first.", body },
      },
    },
    deps.request_budget_ms,
    async ({ query: { sku, limit, cursor: after }, context }) => {
      const { recorded, lag_ms } = await readRecorded(deps, context, async () => {
        const [progress, accounts, found] = await Promise.all([
          readAuditProgress(pool),
          sku === undefined ? [] : readAccounts(pool, sku),
          listOpenFindings(pool, { sku, limit, after }),
        ]);
        return {
          progress,
          accounts,
          found,
          chains: await history.listNewest(
            found.items.filter(({ about }) => about === "STOCK"),
            CHAIN_MAX,
          ),
        };
      });
      const { progress, accounts, found, chains } = recorded;
      return {
        status: 200,
        lag_ms,
        body: {
          ...presentProgress(progress),
          accounts: accounts.map(presentAccount),
          ...presentPage(found, (finding) =>
            finding.about === "SALE"
              ? presentSaleDrift(finding)
              : presentFinding(finding, chains.get(stockOf(finding)) ?? []),
          ),
        } satisfies z.infer<typeof body>,
      };
    },
  );

  return [read, createRecountRoute(deps)];
}

const place = () =>
  z
    .string()
    .regex(/^[1-9]\d{0,14}$/, "is not a cursor of this list")
    .transform(Number);

function presentProgress(progress: AuditProgress) {
  const { looked_at, rounds, sale_rounds, round_began_at, round_stocks } = progress;
  const { last_round_began_at, last_round_ended_at, last_round_stocks } = progress;
  return {
    lookedAt: looked_at === null ? null : isoTime(looked_at),
    rounds,
    saleRounds: sale_rounds,
    lastRound:
      last_round_began_at === null || last_round_ended_at === null
        ? null
        : {
            beganAt: isoTime(last_round_began_at),
            endedAt: isoTime(last_round_ended_at),
            stocks: last_round_stocks ?? 0,
          },
    currentRound:
      round_began_at === null ? null : { beganAt: isoTime(round_began_at), stocks: round_stocks },
  };
}

function presentFinding(
  found: OpenStockFinding,
  movements: StockMovement[],
): z.infer<typeof drift> {
  const { finding_id, sku, store_id: storeId, kind, ledger, level, redis } = found;
  const { delta, advice } = proposeRepair(found);
  const notes = `audit: ${kind}, finding ${finding_id}`;
  const present = (counts: Counts | null) => counts && presentLevels(counts);
  return {
    ...{ sku, storeId, kind, alarm: isAlarm(kind) },
    ledger: presentLevels(ledger),
    level: present(level),
    redis: present(redis),
    foundAt: isoTime(found.found_at),
    lastSeenAt: isoTime(found.last_seen_at),
    advice,
    proposal: delta === null ? null : { storeId, sku, delta, reason: "count", notes },
    movements: movements.map(presentMovement),
  };
}

const presentAccount = (of: StockAccount): z.infer<typeof account> => ({
  ...{ storeId: of.store_id, stocked: of.stocked, adjusted: of.adjusted, returned: of.returned },
  ...{ sold: of.sold, available: of.available, reserved: of.held, version: of.version },
  summedAt: isoTime(of.summed_at),
});
