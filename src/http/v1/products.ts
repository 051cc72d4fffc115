import { z } from "zod";
import { newEventId } from "../../domain/ids.ts";
import { Rejection } from "../../domain/rejection.ts";
import { createCatalogue } from "../../postgres/catalogue.ts";
import type { InitialStock } from "../../postgres/products.ts";
import { fingerprintOf } from "../../redis/fingerprint.ts";
import { putInitialStock } from "../../redis/initial-stock.ts";
import { doerOf, type RequestContext } from "../answer.ts";
import type { RouteDeps } from "../deps.ts";
import { onHand, sku, storeId } from "../fields.ts";
import { afterCommit, askLedger, writeLedger } from "../ledger-call.ts";
import { type Route, route } from "../route.ts";
import { availability, present as presentStock, readStocks } from "./availability.ts";
import { details, name, presentProduct, product, productSku } from "./product-fields.ts";
import { createProductListRoutes } from "./product-lists.ts";

const TAG = "Products";

const params = z.object({ sku });
const created = product.extend({
  initialStock: z
    .object({ storeId, onHand })
    .optional()
    .meta({ description: "Where `initialOnHand` went: to the store that had the least." }),
});
const deleted = z.object({ sku, deleted: z.literal(true) });

export function createProductRoutes(deps: RouteDeps): Route[] {
  const { stock, default_store, request_budget_ms } = deps;
  const catalogue = createCatalogue(deps.pool, default_store);

  const create = route(
    {
      method: "POST",
      path: "/v1/products",
      roles: ["inventory"],
      tag: TAG,
      summary: "Make a product, with stock to begin with",
      description:
        "The stock is put there in a second step. When that one fails the answer is OUTCOME_UNKNOWN: the product is there, and the same request again brings its stock, or the worker does within seconds; once in any case.",
      idempotency_key: "REQUIRED",
      body: z.strictObject({
        sku: productSku,
        name,
        initialOnHand: onHand.optional(),
        ...details,
      }),
      answers: {
        202: { description: "Made.", body: created, headers: { Location: "Where to read it." } },
      },
      problems: ["PRODUCT_EXISTS"],
    },
    request_budget_ms,
    async ({ body: { initialOnHand: units = 0, ...given }, key, context }) => {
      const made = await writeLedger(
        context,
        catalogue.createProduct(
          {
            ...given,
            initial: units > 0 ? { event_id: newEventId(), units } : undefined,
          },
          {
            ...{ route: "create_product", key, by: doerOf(context) },
            fingerprint: fingerprintOf([...wordsOf(given), units]),
          },
        ),
      );
      const { initial, replayed } = made;
      if (initial) await afterCommit(keepPromise(given.sku, initial, replayed, context));
      return {
        status: 202,
        replayed,
        headers: { Location: `/v1/products/${given.sku}` },
        body: {
          ...presentProduct(made.product),
          ...(initial ? { initialStock: presentInitial(initial) } : {}),
        },
      };
    },
  );

  const read = route(
    {
      method: "GET",
      path: "/v1/products/{sku}",
      roles: ["checkout", "inventory", "operator", "viewer"],
      owned: "NOBODYS",
      tag: TAG,
      summary: "Look a product up, with its stock",
      description:
        "The stock is from Redis, as it is at this moment; while Redis is away as recorded, and `X-Projection-Lag-ms` says how old that may be.",
      projection: true,
      params,
      answers: {
        200: {
          description: "The product.",
          body: product.extend({ stock: availability.omit({ sku: true }) }),
        },
      },
      problems: ["PRODUCT_NOT_FOUND"],
    },
    request_budget_ms,
    async ({ params: { sku }, context }) => {
      const [found, { stocks, lag_ms }] = await Promise.all([
        askLedger(context, catalogue.readProduct(sku)),
        readStocks(deps, [sku], context),
      ]);
      if (!found) throw new Rejection("PRODUCT_NOT_FOUND", `There is no product ${sku}.`, { sku });
      const { sku: _, ...stock } = await presentStock(deps, sku, stocks.get(sku) ?? []);
      return { status: 200, lag_ms, body: { ...presentProduct(found), stock } };
    },
  );

  const replace = route(
    {
      method: "PUT",
      path: "/v1/products/{sku}",
      roles: ["inventory"],
      tag: TAG,
      summary: "Replace what is known of a product",
      description: "What is left out is taken away. Its stock stays as it is.",
      idempotency_key: "REQUIRED",
      if_match: true,
      params,
      body: z.strictObject({ name, ...details }),
      answers: { 202: { description: "Replaced.", body: product } },
      problems: ["PRODUCT_NOT_FOUND", "VERSION_CONFLICT"],
    },
    request_budget_ms,
    async ({ params: { sku }, body, if_version, key, context }) => {
      const { name, description = null, price = null, category = null, location = null } = body;
      const fingerprint = fingerprintOf([...wordsOf({ sku, ...body }), if_version ?? null]);
      const { product, replayed } = await writeLedger(
        context,
        catalogue.updateProduct(sku, { name, description, price, category, location }, if_version, {
          route: "update_product",
          key,
          fingerprint,
          by: doerOf(context),
        }),
      );
      return { status: 202, replayed, body: presentProduct(product) };
    },
  );

  const remove = route(
    {
      method: "DELETE",
      path: "/v1/products/{sku}",
      roles: ["inventory"],
      tag: TAG,
      summary: "Delete a product that has no stock",
      description: "Neither a unit that is available nor one that is reserved may be in any store.",
      idempotency_key: "REQUIRED",
      if_match: true,
      params,
      answers: { 202: { description: "Deleted.", body: deleted } },
      problems: ["PRODUCT_IN_USE", "PRODUCT_NOT_FOUND", "VERSION_CONFLICT"],
    },
    request_budget_ms,
    async ({ params: { sku }, if_version, key, context }) => {
      const obstacle = await stockInTheWay(sku, context);
      const fingerprint = fingerprintOf([sku, if_version ?? null]);
      const { replayed } = await writeLedger(
        context,
        catalogue.deleteProduct(
          sku,
          if_version,
          { route: "delete_product", key, fingerprint, by: doerOf(context) },
          obstacle,
        ),
      );
      return { status: 202, replayed, body: { sku, deleted: true } };
    },
  );

  // A replay may be there to finish what the first request could not. But a product may have been deleted
  // since, and then nothing is promised any more.
  async function keepPromise(
    sku: string,
    initial: InitialStock,
    replayed: boolean,
    context: RequestContext,
  ): Promise<void> {
    const { event_id } = initial;
    if (replayed && !(await askLedger(context, catalogue.isPromised(event_id)))) return;
    await putInitialStock(stock, { sku, ...initial }, context);
  }

  /** Why a product must not go, in Redis's word: the ledger may not know of a sale yet. */
  async function stockInTheWay(sku: string, context: RequestContext) {
    const counts = (await stock.readStocks([sku], context)).get(sku) ?? [];
    const stocks = counts
      .filter(({ available, held }) => available > 0 || held > 0)
      .map(({ store_id, available, held }) => ({ store_id, available, reserved: held }));
    if (stocks.length === 0) return undefined;
    const available = stocks.reduce((sum, stock) => sum + stock.available, 0);
    const reserved = stocks.reduce((sum, stock) => sum + stock.reserved, 0);
    const detail = `Of ${sku} there are ${available} units available and ${reserved} reserved.`;
    return new Rejection("PRODUCT_IN_USE", detail, { sku, available, reserved, stocks });
  }

  return [create, ...createProductListRoutes(deps), read, replace, remove];
}

type Given = { sku: string; name: string } & { [detail in keyof typeof details]?: unknown };

/** What makes two requests the same, whatever the order of their members. */
const wordsOf = ({ sku, name, description, price, category, location }: Given) =>
  [sku, name, description, price, category, location].map((word) => word ?? null);

const presentInitial = ({ store_id, units }: InitialStock) => ({
  storeId: store_id,
  onHand: units,
});
