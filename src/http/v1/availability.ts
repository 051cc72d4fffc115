import { z } from "zod";
import { Rejection } from "../../domain/rejection.ts";
import { LEVELS, levelOf, type StockCounts } from "../../domain/stock.ts";
import { monotonicNow } from "../../now.ts";
import { createHistory } from "../../postgres/history.ts";
import { RedisFault } from "../../redis/outcome.ts";
import type { RequestContext } from "../answer.ts";
import type { RouteDeps } from "../deps.ts";
import { isoTime, sku, storeId, time } from "../fields.ts";
import { readRecorded } from "../ledger-call.ts";
import { type Route, route } from "../route.ts";
import { levels, presentLevels } from "./levels.ts";

const TAG = "Stock";
const SKUS_MAX = 100;
/** A shop's page may be behind by so much, and costs us one question a second. */
const SHOP_PAGES = "public, max-age=1";

const level = z.enum(LEVELS).meta({
  description:
    "For a shop's page: LOW is `LOW_STOCK_UNITS` or fewer, ALL_HELD none but those that others hold.",
  example: "IN_STOCK",
});
const earliestReleaseAt = time.optional().meta({
  description:
    "With ALL_HELD: no unit comes back before, unless somebody ends a reservation early.",
});

export const availability = z.object({
  sku,
  totalAvailable: levels.available,
  level,
  earliestReleaseAt,
  perStore: z.array(
    z.object({
      sku,
      storeId,
      ...levels,
      level,
      lastEventAt: time.nullable().meta({
        description: "Null: nothing but somebody's redis-cli has ever changed it.",
      }),
    }),
  ),
});
const availabilities = z.object({ items: z.array(availability) });

const skus = z
  .string()
  .transform((text) => text.split(","))
  .pipe(z.array(sku).min(1).max(SKUS_MAX))
  .meta({
    type: "string",
    description: `Several skus with commas between them, at most ${SKUS_MAX}.`,
    example: "tea,mug",
  });

const params = z.object({ sku });
const query = z.strictObject({
  storeId: storeId.optional().meta({ description: "Only this store." }),
});
const FROM_WHERE =
  "From Redis, as it is at this moment; while Redis is away as recorded, and `X-Projection-Lag-ms` says how old that may be.";

export function createAvailabilityRoutes(deps: RouteDeps): Route[] {
  const { request_budget_ms } = deps;

  const ofMany = route(
    {
      method: "GET",
      path: "/v1/availability",
      roles: ["checkout", "inventory", "operator", "viewer"],
      owned: "NOBODYS",
      tag: TAG,
      summary: "What there is of one sku or several, in each store",
      description: `${FROM_WHERE} With \`skus\` the answer is \`{items}\`, one for each; those that nobody has stocked have no stores.`,
      projection: true,
      query: query
        .extend({ sku: sku.optional(), skus: skus.optional() })
        .refine((given) => (given.sku === undefined) !== (given.skus === undefined), {
          path: ["sku"],
          message: "send either sku or skus",
        }),
      query_example: { sku: "tea" },
      answers: {
        200: {
          description: "What there is.",
          body: z.union([availability, availabilities]),
        },
      },
      problems: ["UNKNOWN_SKU"],
    },
    request_budget_ms,
    async ({ query, context }) => {
      if (query.sku !== undefined) return readOne(query.sku, query.storeId, context);
      const { stocks, lag_ms } = await readStocks(deps, query.skus ?? [], context);
      const items = await Promise.all(
        [...stocks].map(([sku, counts]) => present(deps, sku, counts, query.storeId)),
      );
      return { status: 200, lag_ms, body: { items } };
    },
  );

  const ofOne = route(
    {
      method: "GET",
      path: "/v1/items/{sku}/availability",
      roles: ["checkout", "inventory", "operator", "viewer"],
      owned: "NOBODYS",
      tag: TAG,
      summary: "What there is of a sku, in each store",
      description: FROM_WHERE,
      projection: true,
      params,
      query,
      answers: { 200: { description: "What there is.", body: availability } },
      problems: ["UNKNOWN_SKU"],
    },
    request_budget_ms,
    ({ params, query, context }) => readOne(params.sku, query.storeId, context),
  );

  async function readOne(sku: string, store_id: string | undefined, context: RequestContext) {
    const { stocks, lag_ms } = await readStocks(deps, [sku], context);
    const counts = stocks.get(sku) ?? [];
    if (counts.length > 0)
      return { status: 200, lag_ms, body: await present(deps, sku, counts, store_id) };
    throw new Rejection("UNKNOWN_SKU", `Nobody has stocked ${sku}.`, { sku });
  }

  const levelOfOne = route(
    {
      method: "GET",
      path: "/v1/items/{sku}/level",
      roles: ["checkout", "inventory", "operator", "viewer"],
      owned: "NOBODYS",
      tag: TAG,
      summary: "Whether there is any of a sku, for a shop's page",
      description: `Changes seldom, and may be cached for a second by whoever stands between. ${FROM_WHERE}`,
      projection: true,
      params,
      query,
      answers: {
        200: {
          description: "How much, roughly.",
          body: z.object({ sku, level }),
          headers: { "Cache-Control": "How long it may be shown." },
        },
      },
      problems: ["UNKNOWN_SKU"],
    },
    request_budget_ms,
    async ({ params, query, context }) => {
      const { lag_ms, body } = await readOne(params.sku, query.storeId, context);
      const { sku, level } = body;
      return {
        status: 200,
        lag_ms,
        headers: { "Cache-Control": SHOP_PAGES },
        body: { sku, level },
      };
    },
  );

  return [ofMany, ofOne, levelOfOne];
}

/** What the stores have of each sku: as Redis has it, or as recorded while Redis is away. */
export async function readStocks(
  deps: RouteDeps,
  skus: string[],
  context: RequestContext,
): Promise<{ stocks: Map<string, StockCounts[]>; lag_ms: number }> {
  // Half of the time for Redis, or a silent one would leave none to ask the ledger.
  const now = monotonicNow();
  const deadline = now + (context.deadline - now) / 2;
  try {
    return { stocks: await deps.stock.readStocks(skus, { ...context, deadline }), lag_ms: 0 };
  } catch (error) {
    if (!(error instanceof RedisFault)) throw error;
    const { readLevels } = createHistory(deps.pool);
    const { recorded, lag_ms } = await readRecorded(deps, context, () => readLevels(skus));
    return { stocks: recorded, lag_ms };
  }
}

export async function present(
  { releases, low_stock_units }: Pick<RouteDeps, "releases" | "low_stock_units">,
  sku: string,
  counts: StockCounts[],
  store_id?: string | undefined,
): Promise<z.infer<typeof availability>> {
  const shown = counts.filter((count) => store_id === undefined || count.store_id === store_id);
  const available = shown.reduce((sum, count) => sum + count.available, 0);
  const held = shown.reduce((sum, count) => sum + count.held, 0);
  const level = levelOf({ available, held }, low_stock_units);
  const stocks = shown.map((count) => ({ sku, store_id: count.store_id }));
  const release = level === "ALL_HELD" ? await releases.earliest(stocks) : null;
  return {
    sku,
    totalAvailable: available,
    level,
    ...(release === null ? {} : { earliestReleaseAt: isoTime(release) }),
    perStore: shown.map((count) => ({
      sku,
      storeId: count.store_id,
      ...presentLevels(count),
      level: levelOf(count, low_stock_units),
      lastEventAt: count.changed_at === null ? null : isoTime(count.changed_at),
    })),
  };
}
