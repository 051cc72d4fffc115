import type { IdempotentCall } from "../../src/postgres/once.ts";
import type { Transaction } from "../../src/postgres/transaction.ts";

/** A call, always the same but for what is told. */
export const call = (more: Partial<IdempotentCall> = {}): IdempotentCall => ({
  ...{ route: "put_store", key: "key-1", fingerprint: "one" },
  by: { who: "ann", request_id: "r" },
  ...more,
});

/** Some work with an effect that can be counted, and what comes of it. */
export const addStore = (store_id: string) => async (transaction: Transaction) => {
  await transaction.query("insert into stores (store_id, name) values ($1, $1)", [store_id]);
  return doneBy(store_id);
};
export const doneBy = (store_id: string) => ({ store_id, parts: [1, null, "ä"] });
