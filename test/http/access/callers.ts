import { until } from "../../../scripts/until.ts";
import type { Role } from "../../../src/domain/roles.ts";
import type { Pool } from "../../../src/postgres/client.ts";
import { createApiKey } from "../../postgres/keys.ts";
import { holdToDocument } from "../contract.ts";
import { fresh } from "../shop.ts";

/** A key of its own, once the API at `url` knows it. */
export async function newCaller(
  { url, pool }: { url: string; pool: Pool },
  roles: Role[],
  { customer = null, name = fresh("caller") }: { customer?: string | null; name?: string } = {},
) {
  const { token } = await createApiKey(pool, { name, roles, customer, expires_in_ms: null });
  await untilStatus(url, token, (status) => status !== 401);
  return { name, token, ...askingWith(url, token) };
}

export type TestCaller = Awaited<ReturnType<typeof newCaller>>;

/** Asks for something that every role may look for, until the answer's status is as it should be. */
export const untilStatus = (url: string, token: string, fits: (status: number) => boolean) =>
  until("the API has heard of it", async () => {
    const { status } = await ask(`${url}/v1/stores`, { headers: bearer(token) });
    return fits(status) || undefined;
  });

export const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

/** A caller's requests: with its token, and a key of its own for what changes something. */
export function askingWith(url: string, token: string) {
  const send = (method: string, path: string, body?: unknown, key = fresh("key")) =>
    ask(`${url}${path}`, {
      method,
      headers: {
        ...bearer(token),
        ...(method === "GET" ? {} : { "idempotency-key": key }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  return { send, get: (path: string) => send("GET", path) };
}

/** As shop.ts asks, of any route: what is no JSON is only text. */
export async function ask(url: string, init: RequestInit = {}) {
  const response = await fetch(url, init);
  const { status, headers } = response;
  const text = await response.text();
  holdToDocument({ method: init.method ?? "GET", url }, { status, headers, text });
  const is_json =
    text !== "" && /^application\/(\w+\+)?json/.test(headers.get("content-type") ?? "");
  const body = is_json ? (JSON.parse(text) as Record<string, unknown>) : {}; // an object, always
  return { status, headers, text, body };
}
