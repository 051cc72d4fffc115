import { Rejection } from "../../src/domain/rejection.ts";
import type { CallContext } from "../../src/redis/deciding.ts";
import type { openDecidingSide } from "../setup/deciding-side.ts";
import type { Input, Output } from "./operations.ts";

type Side = Pick<Awaited<ReturnType<typeof openDecidingSide>>, "inventory" | "stock" | "rules">;

/**
 * Asks the real inventory. Holds are named by their ids here.
 * @throws RedisFault, as the inventory does
 */
export async function ask(
  side: Side,
  sku: string,
  input: Input,
  context: CallContext,
): Promise<Output> {
  try {
    return await answerOf(side, sku, input, context);
  } catch (error) {
    if (!(error instanceof Rejection)) throw error;
    const { available, total_available, left } = error.members;
    return {
      word: error.code,
      ...(available === undefined ? {} : { available: Number(available) }),
      ...(total_available === undefined ? {} : { total_available: Number(total_available) }),
      ...(left === undefined ? {} : { left: Number(left) }),
    };
  }
}

async function answerOf(
  { inventory, stock, rules }: Side,
  sku: string,
  input: Input,
  context: CallContext,
): Promise<Output> {
  switch (input.does) {
    case "reserve": {
      const { store_id, quantity, ttl_ms, key, user: user_id } = input;
      const lines = [{ sku, store_id, quantity }];
      const hold = { lines, user_id, ttl_seconds: ttl_ms / 1_000, idempotency_key: key };
      const { hold_id, expires_at, replayed } = await inventory.createHold(hold, context);
      return { word: replayed ? "REPLAYED" : "CREATED", id: hold_id, expires_at };
    }
    case "extend": {
      const { hold: hold_id, ttl_ms, key: idempotency_key } = input;
      const wish = { hold_id, ttl_seconds: ttl_ms / 1_000, idempotency_key };
      const hold = await inventory.extendHold(wish, context);
      const { expires_at, extensions_left: left } = hold;
      return { word: hold.replayed ? "REPLAYED" : "EXTENDED", expires_at, left };
    }
    case "resize": {
      const { hold: hold_id, quantity, key: idempotency_key } = input;
      const wish = { hold_id, wanted: [{ sku, quantity }], idempotency_key };
      const hold = await inventory.changeHold(wish, context);
      const word = hold.status === "ACTIVE" ? "CHANGED" : "CANCELLED";
      return { word: hold.replayed ? "REPLAYED" : word, quantity: hold.lines[0]?.quantity ?? 0 };
    }
    case "limit": {
      const { max, key } = input;
      const wanted = { sku, rules: { max_per_customer: max } };
      const { version, replayed } = await rules.changeRules(wanted, key, context);
      return { word: replayed ? "REPLAYED" : "CHANGED", id: String(version) };
    }
    case "confirm": {
      const { hold: hold_id } = input;
      const order = await inventory.confirmHold({ hold_id, payment_ref: "p" }, context);
      return { word: order.replayed ? "REPLAYED" : "CONFIRMED", id: order.order_id };
    }
    case "cancel": {
      const { hold: hold_id } = input;
      const { status, replayed } = await inventory.cancelHold({ hold_id, reason: "" }, context);
      return replayed ? { word: "REPLAYED", status } : { word: status };
    }
    case "expire":
      return { word: await inventory.expireHold(input.hold, context) };
    case "adjust":
    case "count": {
      const { does, store_id, units, key } = input;
      const operation = does === "adjust" ? "ADJUST" : "COUNT";
      const change = { sku, store_id, operation, units, reason: "manual" } as const;
      const idem = { route: does, key, request: [change] };
      const after = await stock.changeStock(change, idem, context);
      const { available, held, version, event_id: id } = after;
      const word = after.replayed ? "REPLAYED" : "CHANGED";
      return { word, id, counts: { available, held, version } };
    }
    case "transfer": {
      const { from_store, to_store, quantity, key } = input;
      const transfer = { from_store, to_store, lines: [{ sku, quantity }] };
      const { event_id: id, replayed } = await stock.transferStock(transfer, key, context);
      return { word: replayed ? "REPLAYED" : "TRANSFERRED", id };
    }
    case "purchase": {
      const { quantity, policy, key, user: user_id } = input;
      const wish = { sku, quantity, user_id, policy };
      const { hold_id: id, store_id, replayed } = await stock.purchase(wish, key, context);
      return { word: replayed ? "REPLAYED" : "PURCHASED", id, store_id };
    }
    case "read hold": {
      const hold = await inventory.readHold(input.hold, context);
      return hold ? { word: "HOLD", id: hold.hold_id, status: hold.status } : { word: "NO HOLD" };
    }
    case "read stocks": {
      const all = (await stock.readStocks([sku], context)).get(sku) ?? [];
      const stocks = Object.fromEntries(
        all.map(({ store_id, available, held, version }) => [
          store_id,
          { available, held, version },
        ]),
      );
      return { word: "STOCKS", stocks };
    }
  }
}
