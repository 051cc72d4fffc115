import { type Answered, attempt } from "./attempt.ts";
import { newKey } from "./new-key.ts";
import { HoldfastProblem, HoldfastUnanswered } from "./problem.ts";
import { bodyOf, type Told, toldBy } from "./read-answer.ts";
import type { Answer, ClientSettings, Fetch, Method, Query, RequestOptions } from "./settings.ts";
import { sleep, unlessAborted, waitMs } from "./waiting.ts";

const TIMEOUT_MS = 10_000;
const TRY_TIMEOUT_MS = 5_000;
const TRIES = 8;

/** Not decided, or not known: the same again, under the same key, does no harm and may help. */
const RETRIED = [429, 502, 503, 504];
/** Nothing was done in this try; but nobody has looked at the key: a try before may have been done. */
const BEFORE_THE_KEY = [401, 403, 408, 429];

/** Makes the function that sends: it tries until a request is settled, or its caller's patience ends. */
export function createRequest(settings: ClientSettings) {
  const base = baseOf(settings.url);
  const fetch: Fetch = settings.fetch ?? ((url, init) => globalThis.fetch(url, init));

  /**
   * @param path from `/` on, its parts encoded
   * @throws HoldfastProblem when the service says no
   * @throws HoldfastUnanswered when it is not known what became of it
   * @throws the reason of `signal`, once it is aborted
   */
  return async function request<Body = unknown>(
    method: Method,
    path: string,
    options: RequestOptions = {},
  ): Promise<Answer<Body>> {
    const { signal, waitSeconds = 0 } = options;
    const until = performance.now() + (options.timeoutMs ?? settings.timeoutMs ?? TIMEOUT_MS);
    const try_ms =
      (options.tryTimeoutMs ?? settings.tryTimeoutMs ?? TRY_TIMEOUT_MS) + waitSeconds * 1_000;
    const tries_max = options.tries ?? settings.tries ?? TRIES;
    const key = keyOf(method, options);
    const url = `${base}${path}${queryText(options.query)}`;
    const init = initOf(method, key, options);

    let may_be_done = false;
    for (let tries = 1; ; tries++) {
      const authorization = await authorizationOf(settings.token, signal).catch(
        (error: unknown) => {
          signal?.throwIfAborted();
          if (!may_be_done) throw error;
          throw new HoldfastUnanswered(`${method} ${path}`, tries - 1, key, error);
        },
      );
      const headers = { ...init.headers, ...authorization };
      const patience_ms = Math.max(1, Math.min(try_ms, until - performance.now()));
      const tried = await settle(
        () => attempt(fetch, url, { ...init, headers }, patience_ms, signal),
        options,
      );
      if ("answer" in tried) {
        const { status, headers } = tried.answer;
        const replayed = headers.get("idempotent-replayed") === "true";
        const body = tried.body as Body; // what the service sends is what its document says
        return { status, headers, body, replayed, idempotencyKey: key, tries };
      }

      signal?.throwIfAborted();
      const { told, failure } = tried;
      if (told === undefined || isUnknown(told, key)) may_be_done = true;
      const open = told === undefined || !settles(told);
      const wait_ms = waitMs(tries, told?.retryAfter);
      const again = told === undefined || RETRIED.includes(told.status);
      if (again && tries < tries_max && performance.now() + wait_ms < until) {
        await sleep(wait_ms, signal);
        continue;
      }
      const problem = told && new HoldfastProblem(told, tries, key);
      if (problem && !(open && may_be_done)) throw problem;
      throw new HoldfastUnanswered(`${method} ${path}`, tries, key, problem ?? failure);
    }
  };
}

type Tried =
  | { answer: Answered; body: unknown }
  | { told: Told; failure?: undefined }
  | { told?: undefined; failure: unknown };

/** A good answer, a refusal, or what was in the way of both. */
async function settle(ask: () => Promise<Answered>, { accept }: RequestOptions): Promise<Tried> {
  try {
    const answer = await ask();
    const good = answer.status < 300 || answer.status === 304 || answer.status === accept;
    return good ? { answer, body: bodyOf(answer) } : { told: toldBy(answer) };
  } catch (failure) {
    return { failure };
  }
}

/** Somebody on the way gave up on it, or the service itself; or it broke, perhaps after it was done. */
function isUnknown({ code, status }: Told, key: string | undefined): boolean {
  if (status < 500) return false;
  if (isFromElsewhere(code) || status === 502 || status === 504) return true;
  return key !== undefined && status !== 503;
}

/** The service itself has looked at the key, and so at what became of the tries before. */
const settles = ({ code, status }: Told) =>
  status < 500 && !isFromElsewhere(code) && !BEFORE_THE_KEY.includes(status);

const isFromElsewhere = (code: string) => code.startsWith("HTTP_");

function baseOf(url: string): string {
  const { protocol, username, password } = new URL(url);
  if (!/^https?:$/.test(protocol)) throw new TypeError("The url must begin with http or https.");
  if (username || password) throw new TypeError("The url must have no password: give a token.");
  return url.replace(/\/+$/, "");
}

function queryText(query: Query = {}): string {
  const given = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)]],
  );
  return given.length === 0 ? "" : `?${new URLSearchParams(given)}`;
}

/** A key for whatever is no read: so that a second try is none of a second thing. */
function keyOf(method: Method, { idempotencyKey, body }: RequestOptions): string | undefined {
  if (method === "GET") return undefined;
  const named = typeof body === "object" && body !== null && "idempotency_key" in body;
  const key = idempotencyKey ?? (named ? body.idempotency_key : undefined) ?? newKey();
  if (typeof key === "string" && /^[\x20-\x7e]{1,255}$/.test(key)) return key;
  throw new TypeError("An idempotency key has 1 to 255 printable ASCII characters.");
}

function initOf(method: Method, key: string | undefined, options: RequestOptions) {
  const { body, ifVersion, waitSeconds, headers } = options;
  return {
    method,
    headers: {
      accept: "application/json, */*",
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...(key === undefined ? {} : { "idempotency-key": quoted(key) }),
      ...(ifVersion === undefined ? {} : { "if-match": `"${ifVersion}"` }),
      ...(waitSeconds === undefined ? {} : { prefer: `wait=${waitSeconds}` }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  };
}

// Bare, a header would lose the spaces at its ends.
const quoted = (key: string) =>
  /^[\w.:-]+$/.test(key) ? key : `"${key.replaceAll(/["\\]/g, "\\$&")}"`;

async function authorizationOf(token: ClientSettings["token"], signal: AbortSignal | undefined) {
  const current = typeof token === "function" ? await unlessAborted(token, signal) : token;
  return current === undefined ? {} : { authorization: `Bearer ${current}` };
}
