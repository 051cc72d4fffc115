import { hash } from "node:crypto";

/**
 * Tells two requests under one idempotency key apart. Taken over the validated request with its defaults, not
 * over the raw body: white space and the order of members don't make another request. 128 bits are enough.
 */
export function fingerprintOf(request: unknown[]): string {
  return hash("sha256", JSON.stringify(request), "base64url").slice(0, 22);
}
