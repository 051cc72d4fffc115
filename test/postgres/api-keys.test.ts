import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { parseApiKey } from "../../src/domain/api-key.ts";
import { listApiKeys, readKeysVersion, readLiveKeys } from "../../src/postgres/api-keys.ts";
import type { Pool } from "../../src/postgres/client.ts";
import { freshDatabase } from "../setup/stack.ts";
import { createApiKey, revokeApiKeys, rotateApiKey } from "./keys.ts";
import { patientPool } from "./patient-pool.ts";

let database: Awaited<ReturnType<typeof freshDatabase>>;
let pool: Pool;
beforeAll(async () => {
  database = await freshDatabase();
  pool = patientPool(database.url);
});
afterAll(async () => {
  await pool.end();
  await database.close();
});

let made = 0;
const wish = (more: Partial<Parameters<typeof createApiKey>[1]> = {}) => ({
  name: `key-${++made}`,
  roles: ["checkout" as const],
  customer: null,
  expires_in_ms: null,
  ...more,
});
const idsOf = async (name: string) =>
  (await readLiveKeys(pool)).flatMap((key) => (key.name === name ? [key.key_id] : []));
const stateOf = async (key_id: string) =>
  (await listApiKeys(pool)).find((key) => key.key_id === key_id);

test("a key's secret is kept nowhere: only its hash is", async () => {
  const { key, token } = await createApiKey(pool, wish({ customer: "ada" }));
  const secret = token.split("_").slice(2).join("_");
  expect(Buffer.from(secret, "base64url")).toHaveLength(32);
  const { rows } = await pool.query("select * from api_keys where key_id = $1", [key.key_id]);
  expect(rows[0]).toMatchObject({ name: key.name, roles: ["checkout"], customer: "ada" });
  expect(rows[0].secret_hash).toEqual(parseApiKey(token)?.secret_hash);
  expect(JSON.stringify(rows)).not.toContain(secret);
  expect(JSON.stringify(await listApiKeys(pool))).not.toContain("hash");
});

test("every change is told by another version", async () => {
  const versions = [await readKeysVersion(pool)];
  const { key } = await createApiKey(pool, wish());
  versions.push(await readKeysVersion(pool));
  await rotateApiKey(pool, key.name, 60_000);
  versions.push(await readKeysVersion(pool));
  expect(await revokeApiKeys(pool, key.name)).toBe(2); // the new one, and the old one in its overlap
  versions.push(await readKeysVersion(pool));
  expect(new Set(versions).size).toBe(4);
  expect(versions).toEqual(versions.toSorted((a, b) => a - b));
});

test("twenty writers at once miss no version", async () => {
  const before = await readKeysVersion(pool);
  await Promise.all(Array.from({ length: 20 }, () => createApiKey(pool, wish())));
  expect(await readKeysVersion(pool)).toBe(before + 20);
});

test("a live name is taken, and free again once its key is revoked or has expired", async () => {
  const asked = wish();
  await createApiKey(pool, asked);
  await expect(createApiKey(pool, asked)).rejects.toMatchObject({ code: "KEY_EXISTS" });
  await revokeApiKeys(pool, asked.name);
  const { key } = await createApiKey(pool, asked);
  await pool.query("update api_keys set expires_at = now() where key_id = $1", [key.key_id]);
  expect(await idsOf(asked.name)).toEqual([]);
  const { key: newest } = await createApiKey(pool, asked);
  expect(await idsOf(asked.name)).toEqual([newest.key_id]);
});

test("a rotation keeps name, roles, customer and lifetime; the old key ends after the overlap", async () => {
  const day_ms = 86_400_000;
  const { key: old } = await createApiKey(pool, wish({ customer: "ada", expires_in_ms: day_ms }));
  await pool.query(
    "update api_keys set created_at = created_at - interval '1 hour', expires_at = expires_at - interval '1 hour'",
  );
  const { key, token } = await rotateApiKey(pool, old.name, 60_000);
  expect(parseApiKey(token)?.key_id).toBe(key.key_id);
  expect(key).toMatchObject({ name: old.name, roles: old.roles, customer: "ada" });
  expect(Number(key.expires_at) - Number(key.created_at)).toBe(day_ms);
  expect((await idsOf(old.name)).sort()).toEqual([old.key_id, key.key_id].sort());
  const replaced = await stateOf(old.key_id);
  expect(Number(replaced?.expires_at) - Number(replaced?.replaced_at)).toBe(60_000);

  await rotateApiKey(pool, old.name, 0);
  expect(await idsOf(old.name)).not.toContain(key.key_id);
});

test("an overlap makes no key live longer than it would", async () => {
  const { key } = await createApiKey(pool, wish({ expires_in_ms: 60_000 }));
  await rotateApiKey(pool, key.name, 3_600_000);
  expect((await stateOf(key.key_id))?.expires_at).toEqual(key.expires_at);
});

test("what is not there can't be rotated or revoked", async () => {
  const noSuch = { code: "NOT_FOUND", detail: "There is no live key named nobody." };
  await expect(rotateApiKey(pool, "nobody", 0)).rejects.toMatchObject(noSuch);
  await expect(revokeApiKeys(pool, "nobody")).rejects.toMatchObject(noSuch);
});

test.each([
  ["no roles", { roles: [] }],
  ["a customer and another role", { roles: ["operator" as const], customer: "ada" }],
])("the database refuses a key with %s", async (_, more) => {
  await expect(createApiKey(pool, wish(more))).rejects.toThrow(/violates check constraint/);
});
