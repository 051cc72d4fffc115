import { QUANTITY_MAX } from "../domain/limits.ts";
import { Rejection } from "../domain/rejection.ts";

/** Lines as they were granted; without `partial` that is what was asked for. */
export function grantedLines(
  asked: { sku: string; qty: number }[],
  granted: number[],
  partial: boolean,
) {
  if (!partial) return asked;
  return asked.map(({ sku, qty }, i) => ({ sku, qty: granted[i] ?? qty, requested: qty }));
}

/** Distinct by sku and in one order, so that the same lines written otherwise are the same request. */
export function summedLines(lines: { sku: string; qty: number }[], qty_max = QUANTITY_MAX) {
  const sums = new Map<string, number>();
  for (const { sku, qty } of lines) sums.set(sku, (sums.get(sku) ?? 0) + qty);
  for (const [sku, qty] of sums) {
    if (qty <= qty_max) continue;
    const detail = `All lines of ${sku} together ask for ${qty}, more than ${qty_max}.`;
    throw new Rejection("INVALID_REQUEST", detail, { errors: [{ pointer: "#/lines", detail }] });
  }
  return [...sums].map(([sku, qty]) => ({ sku, qty })).sort((a, b) => (a.sku < b.sku ? -1 : 1));
}
