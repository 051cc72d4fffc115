import * as keys from "../../src/postgres/api-keys.ts";
import type { Pool } from "../../src/postgres/client.ts";
import { inTransaction } from "../../src/postgres/transaction.ts";

// Changes of API keys, each in a transaction of its own.

const BY = { who: "cli:test", request_id: "r" };

export const createApiKey = (pool: Pool, wish: keys.KeyWish) =>
  inTransaction(pool, (to) => keys.createApiKey(to, wish, BY));

export const rotateApiKey = (pool: Pool, name: string, overlap_ms: number) =>
  inTransaction(pool, (to) => keys.rotateApiKey(to, { name }, overlap_ms, BY));

export const revokeApiKeys = async (pool: Pool, name: string) =>
  (await inTransaction(pool, (to) => keys.revokeApiKeys(to, { name }, BY))).length;
