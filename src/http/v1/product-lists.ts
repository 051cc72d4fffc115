import { z } from "zod";
import { createCatalogue } from "../../postgres/catalogue.ts";
import type { RouteDeps } from "../deps.ts";
import { limit, sku, wholeParameter } from "../fields.ts";
import { askLedger, readRecorded } from "../ledger-call.ts";
import { text } from "../parse.ts";
import { type Route, route } from "../route.ts";
import { levels } from "./levels.ts";
import { name, presentProduct, product } from "./product-fields.ts";

const TAG = "Products";
const Q_CHARS_MAX = 200;
/** Far behind the last product, so that nobody is refused a page that is merely empty. */
const PLACE_MAX = 10_000_000;
const SIZE_DEFAULT = 50;
const SIZE_MAX = 200;

const q = text(Q_CHARS_MAX).optional().meta({
  description: "Only those in whose sku or name it occurs, in capitals or not.",
  example: "tea",
});
const total = z.int().meta({ description: "On all pages together.", example: 1 });
const totals = z.object({
  sku,
  name,
  totalOnHand: levels.onHand,
  totalReserved: levels.reserved,
  totalAvailable: levels.available,
});

export function createProductListRoutes(deps: RouteDeps): Route[] {
  const { request_budget_ms } = deps;
  const catalogue = createCatalogue(deps.pool, deps.default_store);

  const list = route(
    {
      method: "GET",
      path: "/v1/products",
      roles: ["checkout", "inventory", "operator", "viewer"],
      owned: "NOBODYS",
      tag: TAG,
      summary: "Products, in the order of their skus",
      projection: true,
      query: z.strictObject({ q, limit, offset: wholeParameter(0, PLACE_MAX, 0) }),
      answers: {
        200: {
          description: "A page of them.",
          body: z.object({
            items: z.array(product),
            total,
            limit: z.int().meta({ example: 50 }),
            offset: z.int().meta({ example: 0 }),
          }),
        },
      },
    },
    request_budget_ms,
    async ({ query, context }) => {
      const { items, total } = await askLedger(context, catalogue.listProducts(query));
      const { limit, offset } = query;
      return {
        status: 200,
        lag_ms: 0, // products are decided in Postgres
        body: { items: items.map(presentProduct), total, limit, offset },
      };
    },
  );

  const sums = route(
    {
      method: "GET",
      path: "/v1/products/totals",
      roles: ["inventory", "operator", "viewer"],
      tag: TAG,
      summary: "What all stores have of each product together",
      description: "As recorded, in the order of the skus.",
      projection: true,
      query: z.strictObject({
        q,
        page: wholeParameter(1, PLACE_MAX, 1),
        size: wholeParameter(1, SIZE_MAX, SIZE_DEFAULT),
      }),
      answers: {
        200: {
          description: "A page of them.",
          body: z.object({
            items: z.array(totals),
            page: z.int().meta({ example: 1 }),
            size: z.int().meta({ example: 50 }),
            total,
          }),
        },
      },
    },
    request_budget_ms,
    async ({ query, context }) => {
      const { recorded, lag_ms } = await readRecorded(deps, context, () =>
        catalogue.readTotals(query),
      );
      const items = recorded.items.map((of) => ({
        sku: of.sku,
        name: of.name,
        totalOnHand: of.total_on_hand,
        totalReserved: of.total_held,
        totalAvailable: of.total_available,
      }));
      const { page, size } = query;
      return { status: 200, lag_ms, body: { items, page, size, total: recorded.total } };
    },
  );

  return [list, sums];
}
