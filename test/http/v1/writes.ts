import { fresh, type Shop } from "../shop.ts";
import { callsTo } from "./back-office.ts";

type Body = Record<string, unknown>;

export type Write = {
  path: string;
  body: Body;
  /** Other requests, by what is different about them. */
  others: Record<string, Body>;
  /** How many events it makes. */
  events: number;
};

/** A reservation of two of a hundred units. */
export async function reserve(shop: Shop, more: Body = {}) {
  const sku = await shop.stock(100);
  const { status, text, body } = await callsTo(shop.api.url).post("/v1/reservations", {
    lines: [{ sku, qty: 2 }],
    ...more,
  });
  if (status !== 202) throw new Error(text);
  return { sku, id: String(body.reservationId) };
}

/** Every write that takes or brings stock and answers with one document, ready to be sent. */
export const WRITES: [name: string, prepare: (shop: Shop) => Promise<Write>][] = [
  [
    "a reservation",
    async (shop) => {
      const [sku, other] = [await shop.stock(100), await shop.stock(100)];
      const lines = [{ sku, qty: 2 }];
      const others = {
        qty: { lines: [{ sku, qty: 3 }] },
        sku: { lines: [{ sku: other, qty: 2 }] },
        "further line": { lines: [...lines, { sku: other, qty: 1 }] },
        customerId: { lines, customerId: "somebody" },
        ttlSeconds: { lines, ttlSeconds: 901 },
      };
      return { path: "/v1/reservations", body: { lines }, others, events: 1 };
    },
  ],
  [
    "a confirmation",
    async (shop) => {
      const path = `/v1/reservations/${(await reserve(shop)).id}:confirm`;
      const others = { paymentRef: { paymentRef: "other" }, "missing paymentRef": {} };
      return { path, body: { paymentRef: "pay" }, others, events: 1 };
    },
  ],
  [
    "a cancellation",
    async (shop) => {
      const path = `/v1/reservations/${(await reserve(shop)).id}:cancel`;
      const others = { reason: { reason: "timeout" }, "missing reason": {} };
      return { path, body: { reason: "user_cancel" }, others, events: 1 };
    },
  ],
  [
    "a purchase",
    async (shop) => {
      const body = { sku: await shop.stock(100), qty: 2 };
      const others = {
        qty: { ...body, qty: 3 },
        sku: { ...body, sku: await shop.stock(100) },
        customerId: { ...body, customerId: "somebody" },
        policy: { ...body, policy: "round-robin" },
      };
      return { path: "/v1/purchase", body, others, events: 1 };
    },
  ],
  [
    "an adjustment",
    async (shop) => {
      const body = { sku: await shop.stock(100), delta: -5, reason: "damage" };
      const others = {
        delta: { ...body, delta: 5 },
        sku: { ...body, sku: await shop.stock(100) },
        storeId: { ...body, storeId: "berlin", delta: 5 },
        reason: { ...body, reason: "sale" },
        reference: { ...body, reference: "r" },
        notes: { ...body, notes: "n" },
        traceId: { ...body, traceId: "t" },
      };
      return { path: "/v1/adjustments", body, others, events: 1 };
    },
  ],
  [
    "a recount",
    async (shop) => {
      const body = { sku: await shop.stock(100), onHand: 50 };
      const others = {
        onHand: { ...body, onHand: 51 },
        sku: { ...body, sku: await shop.stock(100) },
        storeId: { ...body, storeId: "berlin" },
        countRef: { ...body, countRef: "c" },
      };
      return { path: "/v1/items:set-absolute", body, others, events: 1 };
    },
  ],
  [
    "a transfer",
    async (shop) => {
      const [sku, other] = [await shop.stock(100), await shop.stock(100)];
      const body = { fromStore: "main", toStore: "berlin", lines: [{ sku, qty: 2 }] };
      const others = {
        qty: { ...body, lines: [{ sku, qty: 3 }] },
        sku: { ...body, lines: [{ sku: other, qty: 2 }] },
        toStore: { ...body, toStore: "rome" },
        traceId: { ...body, traceId: "t" },
      };
      return { path: "/v1/transfers", body, others, events: 1 };
    },
  ],
  [
    "a reconciliation",
    async (shop) => {
      const [a, b] = [fresh("a"), fresh("b")];
      const body = { snapshotOnHand: { [a]: 7, [b]: 8 } };
      const others = {
        "last count": { snapshotOnHand: { [a]: 7, [b]: 9 } },
        "further sku": { snapshotOnHand: { [a]: 7, [b]: 8, [await shop.stock(1)]: 1 } },
        "missing sku": { snapshotOnHand: { [a]: 7 } },
        storeId: { ...body, storeId: "berlin" },
        source: { ...body, source: "s" },
      };
      return { path: "/v1/reconciliations", body, others, events: 2 };
    },
  ],
];
