import { hash, randomBytes } from "node:crypto";

/** `hf_<key_id>_<secret>`: the prefix lets scanners of source code find one that was checked in. */
const TOKEN = /^hf_([0-9a-f]{16})_([A-Za-z0-9_-]{43})$/;
const SECRET_BYTES = 32;

/** The name of an API key; it becomes part of idempotency keys, where nothing in it may end it. */
export const KEY_NAME_PATTERN = /^[A-Za-z0-9._-]{1,64}$/;

/** A new key's parts. Nobody but its holder ever has the token: what is kept is a hash of its secret. */
export function newApiKey(): { key_id: string; secret_hash: Buffer; token: string } {
  const key_id = randomBytes(8).toString("hex");
  const secret = randomBytes(SECRET_BYTES).toString("base64url");
  return { key_id, secret_hash: hashOf(secret), token: `hf_${key_id}_${secret}` };
}

/** Null for what is no API key by its form. */
export function parseApiKey(token: string): { key_id: string; secret_hash: Buffer } | null {
  const [, key_id, secret] = TOKEN.exec(token) ?? [];
  return key_id && secret ? { key_id, secret_hash: hashOf(secret) } : null;
}

// A fast hash is enough for 256 random bits: there is nothing to guess.
const hashOf = (secret: string) => hash("sha256", secret, "buffer");
