import { randomUUID } from "node:crypto";
import { FOREVER, keys, newHold, type Request } from "./script-side.ts";

// Requests of the scripts about stock that is no hold. Text where a test wants to send what is no number.

type Common = {
  idem?: string | undefined;
  deadline?: number | string;
  event_id?: string;
  request_id?: string;
  fingerprint?: string;
  actor?: string;
};
export type ChangeSpec = Common & {
  sku?: string;
  store_id?: string;
  registers?: string;
  operation?: string;
  units?: number | string;
  if_version?: number | string;
  reason?: string;
  reference?: string;
  notes?: string;
  trace_id?: string;
};
export type TransferSpec = Common & {
  from_store?: string;
  to_store?: string;
  registers_to?: string;
  reference?: string;
  trace_id?: string;
  lines?: { sku: string; quantity: number | string }[];
};
export type PurchaseSpec = Omit<Common, "actor"> & {
  hold_id?: string;
  order_id?: string;
  user_id?: string;
  policy?: string;
  sku?: string;
  quantity?: number | string;
  stores_seen?: number | string;
  stores?: string[];
};

const stockKeys = (sku: string, store_id: string) => keys.ofStock({ sku, store_id });

export function changeRequest(spec: ChangeSpec = {}): Request {
  const { sku = "phone", store_id = "main", operation = "ADJUST", units = 1 } = spec;
  const { registers = store_id === "main" ? "0" : "1", if_version = "", reason = "" } = spec;
  const { reference = "", notes = "", trace_id = "" } = spec;
  const { idem = randomUUID(), deadline = FOREVER, event_id = randomUUID() } = spec;
  const { request_id = "request-3", fingerprint = "change-1", actor = "api" } = spec;
  const args = [deadline, event_id, request_id, fingerprint, actor, sku, store_id, registers];
  const more = [operation, units, if_version, reason, reference, notes, trace_id];
  return {
    keys: [keys.idem("adjust", idem), keys.stores, ...stockKeys(sku, store_id)],
    args: [...args, ...more].map(String),
  };
}

export function transferRequest(spec: TransferSpec = {}): Request {
  const { from_store = "main", to_store = "north", reference = "", trace_id = "" } = spec;
  const { registers_to = to_store === "main" ? "0" : "1" } = spec;
  const { lines = [{ sku: "phone", quantity: 1 }] } = spec;
  const { idem = randomUUID(), deadline = FOREVER, event_id = randomUUID() } = spec;
  const { request_id = "request-4", fingerprint = "transfer-1", actor = "api" } = spec;
  const args = [deadline, event_id, request_id, fingerprint, actor, from_store, to_store];
  return {
    keys: [
      keys.idem("transfer", idem),
      keys.stores,
      ...lines.flatMap(({ sku }) => [...stockKeys(sku, from_store), ...stockKeys(sku, to_store)]),
    ],
    args: [
      ...args.map(String),
      registers_to,
      reference,
      trace_id,
      String(lines.length),
      ...lines.flatMap(({ sku, quantity }) => [sku, String(quantity)]),
    ],
  };
}

export function purchaseRequest(spec: PurchaseSpec = {}): Request {
  const { hold_id = newHold(), order_id = "O-1", user_id = "user-1", sku = "phone" } = spec;
  const { policy = "highest-available", quantity = 1, stores = ["main"] } = spec;
  const { stores_seen = stores.length - 1 } = spec;
  const { idem = randomUUID(), deadline = FOREVER, event_id = randomUUID() } = spec;
  const { request_id = "request-5", fingerprint = "purchase-1" } = spec;
  const args = [deadline, event_id, request_id, hold_id, order_id, user_id, fingerprint];
  return {
    keys: [
      keys.hold(hold_id),
      keys.idem("purchase", idem),
      keys.stores,
      keys.turns,
      ...stores.flatMap((store_id) => stockKeys(sku, store_id)),
    ],
    args: [...[...args, policy, sku, quantity, stores_seen, stores.length].map(String), ...stores],
  };
}

export function readStocksRequest(
  sku: string,
  stores: string[],
  stores_seen: number | string = stores.length - 1,
): Request {
  return {
    keys: [keys.stores, ...stores.flatMap((store_id) => stockKeys(sku, store_id))],
    args: ["1", String(stores_seen), String(stores.length), ...stores],
  };
}
