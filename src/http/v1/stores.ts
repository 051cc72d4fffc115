import { z } from "zod";
import { createCatalogue } from "../../postgres/catalogue.ts";
import type { Store } from "../../postgres/stores.ts";
import { fingerprintOf } from "../../redis/fingerprint.ts";
import { doerOf } from "../answer.ts";
import type { RouteDeps } from "../deps.ts";
import { isoTime, storeId, time } from "../fields.ts";
import { afterCommit, askLedger, readRecorded, writeLedger } from "../ledger-call.ts";
import { text } from "../parse.ts";
import { type Route, route } from "../route.ts";

const TAG = "Stores";
const NAME_CHARS_MAX = 200;
const RANK_MAX = 1_000_000;

const name = text(NAME_CHARS_MAX).meta({ example: "The shop in Main Street" });
const latencyRank = z.int().min(0).max(RANK_MAX).meta({
  description: "0 is the nearest: a purchase by `lowest-latency` takes from there first.",
  example: 10,
});
const shown = z.object({
  storeId,
  name,
  latencyRank,
  createdAt: time.nullable().meta({ description: "Null for a default store nobody has named." }),
});

export function createStoreRoutes(deps: RouteDeps): Route[] {
  const { stores, default_store, request_budget_ms } = deps;
  const catalogue = createCatalogue(deps.pool, default_store);

  const put = route(
    {
      method: "POST",
      path: "/v1/stores",
      roles: ["inventory"],
      tag: TAG,
      summary: "Make a store, or change one",
      description:
        "A store that was made by naming it in a change of stock is thereby named. Without `latencyRank` it keeps its own; a new one gets 0.",
      idempotency_key: "REQUIRED",
      body: z.strictObject({ storeId, name, latencyRank: latencyRank.optional() }),
      answers: { 202: { description: "The store.", body: shown } },
    },
    request_budget_ms,
    async ({ body: { storeId: store_id, name, latencyRank: latency_rank }, key, context }) => {
      const fingerprint = fingerprintOf([store_id, name, latency_rank ?? null]);
      const { store, replayed } = await writeLedger(
        context,
        catalogue.putStore(
          { store_id, name, latency_rank },
          { route: "put_store", key, fingerprint, by: doerOf(context) },
        ),
      );
      // The rank may have changed since the first answer.
      const rank = replayed ? await askLedger(context, readRank(store)) : store.latency_rank;
      await afterCommit(stores.register(store_id, rank));
      return { status: 202, replayed, body: present(store) };
    },
  );

  const list = route(
    {
      method: "GET",
      path: "/v1/stores",
      roles: ["checkout", "inventory", "operator", "viewer"],
      owned: "NOBODYS",
      tag: TAG,
      summary: "All stores",
      description: "The default store is always among them.",
      projection: true,
      answers: { 200: { description: "By id.", body: z.object({ items: z.array(shown) }) } },
    },
    request_budget_ms,
    async ({ context }) => {
      const { recorded, lag_ms } = await readRecorded(deps, context, catalogue.listStores);
      return { status: 200, lag_ms, body: { items: recorded.map(present) } };
    },
  );

  async function readRank({ store_id, latency_rank }: Store): Promise<number> {
    const all = await catalogue.listStores();
    return all.find((store) => store.store_id === store_id)?.latency_rank ?? latency_rank;
  }

  return [put, list];
}

function present({ store_id, name, latency_rank, created_at }: Store): z.infer<typeof shown> {
  return {
    storeId: store_id,
    name,
    latencyRank: latency_rank,
    createdAt: created_at === null ? null : isoTime(created_at),
  };
}
