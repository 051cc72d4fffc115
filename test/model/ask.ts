import { Rejection } from "../../src/domain/rejection.ts";
import { monotonicNow } from "../../src/now.ts";
import { CorruptKey, Recovering, RedisFault } from "../../src/redis/outcome.ts";
import type { Real } from "./real.ts";
import type { Answer, Request } from "./requests.ts";

const LONG_MS = 30_000;
const LATE_MS = 1_000;
/** Why units come back. */
export const REASON = "does not fit";

/** Asks the real inventory, and turns whatever it says into an answer. */
export async function ask(real: Real, request: Request): Promise<Answer> {
  const ms = request.late ? -LATE_MS : LONG_MS;
  const context = { request_id: "model", deadline: monotonicNow() + ms };
  try {
    return await answerOf(real, request, context);
  } catch (error) {
    if (error instanceof Rejection) {
      // When the next hold ends is looked up aside, and may be half a second old.
      const { earliest_release_at: _, ...members } = error.members;
      return { ...members, word: error.code };
    }
    if (error instanceof CorruptKey) return { word: "CORRUPT", key: error.key };
    if (error instanceof Recovering) return { word: "RECOVERING" };
    if (error instanceof RedisFault && request.late) return { word: "LATE" };
    throw error;
  }
}

async function answerOf(
  { inventory, stock, rules, waiting, keys }: Real,
  request: Request,
  context: { request_id: string; deadline: number },
): Promise<Answer> {
  switch (request.does) {
    case "reserve": {
      const { does: _, key, late, ttl_ms, ...wish } = request;
      const input = { ...wish, ttl_seconds: ttl_ms / 1_000, idempotency_key: key };
      return worded(await inventory.createHold(input, context), "CREATED");
    }
    case "confirm": {
      const { hold_id, payment_ref, parts, key, route } = request;
      const input = { hold_id, payment_ref, parts, idempotency_key: key, route };
      return worded(await inventory.confirmHold(input, context), "CONFIRMED");
    }
    case "settle": {
      const { hold_id, payment_ref, parts, key, route, ledger } = request;
      const recorded = ledger === "has none" ? null : undefined;
      const input = { hold_id, payment_ref, parts, idempotency_key: key, route, recorded };
      const settled = await inventory.settlePayment(input, context);
      if ("sale" in settled) return worded(settled.sale, "CONFIRMED");
      if ("ledger_needed" in settled) return { word: "LEDGER_NEEDED" };
      const word = settled.replayed ? "UNFULFILLED_BEFORE" : "UNFULFILLED";
      return { word, ...settled.unfulfilled };
    }
    case "extend": {
      const { hold_id, ttl_ms, key, route } = request;
      const input = { hold_id, ttl_seconds: ttl_ms / 1_000, idempotency_key: key, route };
      return worded(await inventory.extendHold(input, context), "EXTENDED");
    }
    case "change hold": {
      const { hold_id, wanted, if_version, key } = request;
      const input = { hold_id, wanted, if_version, idempotency_key: key };
      const changed = await inventory.changeHold(input, context);
      return worded(changed, changed.status === "ACTIVE" ? "CHANGED" : "CANCELLED");
    }
    case "cancel": {
      const { hold_id, reason, key, route } = request;
      const input = { hold_id, reason, idempotency_key: key, route };
      const ending = await inventory.cancelHold(input, context);
      return worded(ending, ending.status);
    }
    case "expire":
      return { word: await inventory.expireHold(request.hold_id, context) };
    case "change": {
      const { sku, store_id, operation, units, if_version, reason, route, key } = request;
      const change = { sku, store_id, operation, units, if_version, reason };
      const idem = { route, key, request: [change] };
      return worded(await stock.changeStock(change, idem, context), "CHANGED");
    }
    case "transfer": {
      const { from_store, to_store, lines, key } = request;
      const moved = await stock.transferStock({ from_store, to_store, lines }, key, context);
      return worded(moved, "TRANSFERRED");
    }
    case "purchase": {
      const { sku, quantity, user_id, policy, key } = request;
      const bought = await stock.purchase({ sku, quantity, user_id, policy }, key, context);
      return worded(bought, "PURCHASED");
    }
    case "read stocks": {
      const counts = (await stock.readStocks([request.sku], context)).get(request.sku);
      return { word: "STOCKS", counts };
    }
    case "read hold": {
      const hold = await inventory.readHold(request.hold_id, context);
      return hold ? { word: "HOLD", ...hold } : { word: "HOLD_NOT_FOUND" };
    }
    case "change rules": {
      const { sku, rules: wanted, if_version, key } = request;
      const change = { sku, rules: wanted, if_version };
      return worded(await rules.changeRules(change, key, context), "CHANGED");
    }
    case "return": {
      const { key: event_id, order_id, hold_id, user_id, restock, lines } = request;
      const promise = { event_id, order_id, hold_id, user_id, restock, lines, reason: REASON };
      return { word: "RETURNED", ...(await stock.returnUnits(promise, context)) };
    }
    case "join": {
      const { sku, store_id, quantity, user_id, offer_ms, key } = request;
      const wish = { sku, store_id, quantity, user_id, offer_seconds: offer_ms / 1_000 };
      return worded(await waiting.join(wish, key, context), "JOINED");
    }
    case "leave": {
      const leaving = await waiting.leave(request.waiter_id, request.key, context);
      if (leaving.outcome === "OFFERED") return { word: "OFFERED", hold_id: leaving.hold_id };
      const again = leaving.replayed && leaving.outcome === "LEFT";
      return { word: again ? "REPLAYED" : leaving.outcome };
    }
    case "offer": {
      const name = keys.stockName(request.sku, request.store_id);
      return { word: "SERVED", more: await waiting.offerStock(name, context) };
    }
  }
}

const worded = ({ replayed, ...facts }: { replayed: boolean }, word: string): Answer => ({
  word: replayed ? "REPLAYED" : word,
  ...facts,
});
