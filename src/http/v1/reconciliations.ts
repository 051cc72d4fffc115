import { z } from "zod";
import { BULK_BYTES_MAX } from "../../domain/limits.ts";
import { fingerprintOf } from "../../redis/fingerprint.ts";
import { Overloaded, RedisFault } from "../../redis/outcome.ts";
import type { StockAfter } from "../../redis/stock-answers.ts";
import type { RequestContext } from "../answer.ts";
import type { RouteDeps } from "../deps.ts";
import { sku, storeId } from "../fields.ts";
import { noteProblem } from "../problem.ts";
import { type Route, route } from "../route.ts";
import { levels, reference, shortfall, shortfallOf } from "./levels.ts";
import { createSlots } from "./slots.ts";
import { type Counted, snapshot } from "./snapshot.ts";

/** Of one process, over all requests: a reconciliation must not fill the queue that a sale needs. */
const IN_WORK_MAX = 256;
const READ_AT_ONCE = 128;

const compared = z.object({
  sku,
  counted: z.int().min(0).meta({ example: 98 }),
  onHand: levels.onHand.meta({ description: "Units that were thought to be there.", example: 100 }),
  difference: z.int().meta({ description: "counted - onHand.", example: -2 }),
  reserved: levels.reserved,
  available: levels.available.meta({ description: "Units that may be sold after it." }),
  shortfall,
  version: levels.version,
});
const failed = z.object({
  sku,
  counted: z.int().min(0),
  code: z.string().meta({ example: "CORRUPT_STOCK" }),
  detail: z.string(),
});
const reconciled = z.object({
  storeId,
  dryRun: z.boolean(),
  source: reference.optional(),
  items: z.array(z.union([compared, failed])),
  applied: z.int().min(0).meta({ description: "Skus whose stock was set.", example: 2 }),
  differing: z.int().min(0).meta({ description: "Skus with a difference.", example: 1 }),
});
type Compared = z.infer<typeof compared>;
type Failed = z.infer<typeof failed>;

const NOTHING = { available: 0, held: 0, version: 0 };

export function createReconciliationRoutes(deps: RouteDeps): Route[] {
  const { stock, default_store, request_budget_ms, log } = deps;
  const slots = createSlots(IN_WORK_MAX);

  const reconcile = route(
    {
      method: "POST",
      path: "/v1/reconciliations",
      roles: ["inventory"],
      tag: "Stock",
      summary: "Compare a store with what was counted there, and set it right",
      description:
        "Each sku is set as by `/v1/items:set-absolute`. With `?dryRun=true` it is only compared, and the key stays free. When the answer is a 504, some skus may be set: ask again with the same key, and the others are set too.",
      idempotency_key: "REQUIRED",
      query: z.strictObject({ dryRun: z.enum(["true", "false"]).default("false") }),
      body: z.strictObject({
        storeId: storeId.optional(),
        snapshotOnHand: snapshot,
        source: reference.optional(),
      }),
      body_bytes_max: BULK_BYTES_MAX,
      answers: {
        200: { description: "Compared.", body: reconciled },
        202: { description: "Compared and set.", body: reconciled },
      },
    },
    request_budget_ms,
    async ({ query, body, key, context }) => {
      const { storeId: store_id = default_store, snapshotOnHand: counted, source } = body;
      const dryRun = query.dryRun === "true";
      const { items, replayed } = dryRun
        ? await compare(counted, store_id, context)
        : await apply(counted, store_id, source, { key, context });
      const done = items.filter((item) => "version" in item);
      return {
        status: dryRun ? 200 : 202,
        replayed,
        body: {
          storeId: store_id,
          dryRun,
          ...(source === undefined ? {} : { source }),
          items,
          applied: dryRun ? 0 : done.length,
          differing: done.filter(({ difference }) => difference !== 0).length,
        },
      };
    },
  );

  async function compare(counted: Counted, store_id: string, context: RequestContext) {
    const items: Compared[] = [];
    for (let i = 0; i < counted.length; i += READ_AT_ONCE) {
      const part = counted.slice(i, i + READ_AT_ONCE);
      const skus = part.map(({ sku }) => sku);
      const stocks = await stock.readStocks(skus, context);
      for (const line of part) {
        const counts = stocks.get(line.sku)?.find((count) => count.store_id === store_id);
        const { available, held, version } = counts ?? NOTHING;
        const after = { available: Math.max(0, line.units - held), held, version };
        items.push(present(line, available + held, after));
      }
    }
    return { items, replayed: false };
  }

  // The first sku goes ahead: when the key belongs to another request, nothing of this one is done. So a
  // first one that can't be set fails the request as a whole.
  async function apply(
    counted: Counted,
    store_id: string,
    source: string | undefined,
    { key, context }: { key: string; context: RequestContext },
  ) {
    const request = [fingerprintOf([store_id, counted, source])];
    const [first, ...rest] = counted.map(({ sku, units }, i) => async () => {
      await slots.take();
      try {
        return await stock.changeStock(
          { sku, store_id, operation: "COUNT", units, reason: "count", reference: source },
          { route: "reconcile", key: `${key}#${i + 1}`, request },
          context,
        );
      } finally {
        slots.give();
      }
    });
    if (!first) throw new Error("A snapshot of nothing was let through."); // its parser sees to it
    const results: PromiseSettledResult<StockAfter>[] = [
      { status: "fulfilled", value: await first() },
      ...(await Promise.allSettled(rest.map((set) => set()))),
    ];
    refuseHalfDone(results);
    const items = counted.map((line, i) => itemOf(line, results[i], context.request_id));
    const applied = results.filter((result) => result.status === "fulfilled");
    return { items, replayed: applied.every(({ value }) => value.replayed) };
  }

  function itemOf(
    line: Counted[number],
    result: PromiseSettledResult<StockAfter> | undefined,
    request_id: string,
  ): Compared | Failed {
    if (result?.status === "fulfilled") {
      const after = result.value;
      return present(line, after.available + after.held - after.available_delta, after);
    }
    const { code, detail } = noteProblem(result?.reason, request_id, log);
    return { sku: line.sku, counted: line.units, code, detail };
  }

  return [reconcile];
}

// A 503 would say that nothing was done, and a list without these skus that nothing is left to do.
function refuseHalfDone(results: PromiseSettledResult<unknown>[]): void {
  const unserved = results.find(
    (result) =>
      result.status === "rejected" &&
      (result.reason instanceof RedisFault || result.reason instanceof Overloaded),
  );
  if (unserved) throw new RedisFault("UNKNOWN", "Only some of the skus were set.", unserved);
}

function present(
  { sku, units }: Counted[number],
  onHand: number,
  after: { available: number; held: number; version: number },
): Compared {
  return {
    sku,
    counted: units,
    onHand,
    difference: units - onHand,
    reserved: after.held,
    available: after.available,
    shortfall: shortfallOf(after.held, units),
    version: after.version,
  };
}
