/** A key that nobody else has: for one request and all its tries. */
export function newKey(): string {
  // Pages without TLS have no randomUUID, and Node 18 has none of both. A key is no secret, but must be rare.
  if (typeof globalThis.crypto?.randomUUID === "function") return crypto.randomUUID();
  const part = () => Math.random().toString(36).slice(2).padStart(11, "0");
  return `${Date.now().toString(36)}-${part()}-${part()}-${part()}`;
}
