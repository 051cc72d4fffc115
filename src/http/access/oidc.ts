import { hash } from "node:crypto";
import { createRemoteJWKSet, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from "jose";
import { z } from "zod";
import type { OidcSettings } from "../../auth-settings.ts";
import { isRole } from "../../domain/roles.ts";
import { monotonicNow } from "../../now.ts";
import { userId } from "../fields.ts";
import { CallerUnknowable } from "../problem.ts";
import { type Caller, knownCaller } from "./caller.ts";

const CLOCK_TOLERANCE_S = 5;
/** Below the time that a request has by default: whoever waits still gets an answer. */
const FETCH_MS_MAX = 1_500;
/** How often a key that the set does not have makes us ask for the set again. */
const COOLDOWN_MS = 30_000;
const SET_MS_MAX = 10 * 60_000;
/** After a failure nobody is asked for so long: garbage must not become a flood of requests there. */
const REST_MS = 1_000;
const TOKENS_MAX = 10_000;
/** It is written to histories, and Postgres takes no NUL. */
const SUBJECT = /^[^\p{Cc}\p{Cs}]{1,255}$/u;

/** Callers by JWTs of one issuer. A verification costs more than a reserve, so each token has only one. */
export function createOidc(settings: OidcSettings) {
  const verified = new Map<string, { caller: Caller; ends_at: number }>();
  const getKey = createKeys(settings);

  /**
   * Who has this token; null when it is no good, EXPIRED_TOKEN when it was until it expired.
   * @throws CallerUnknowable when the issuer's keys can't be had
   */
  async function callerOf(token: string): Promise<Caller | "EXPIRED_TOKEN" | null> {
    const known = knownCallerOf(token);
    if (known) return known;
    const payload = await verify(token);
    if (payload === "EXPIRED_TOKEN") return payload;
    const caller = payload && callerIn(payload, settings);
    if (!caller) return null;
    verified.set(idOf(token), { caller, ends_at: Number(payload.exp) * 1000 });
    const [oldest] = verified.keys();
    if (verified.size > TOKENS_MAX && oldest !== undefined) verified.delete(oldest);
    return caller;
  }

  function knownCallerOf(token: string): Caller | null {
    const id = idOf(token);
    const known = verified.get(id);
    if (!known) return null;
    verified.delete(id); // and to the end again: the one that was longest not asked for goes
    if (Date.now() >= known.ends_at) return null;
    verified.set(id, known);
    return known.caller;
  }

  async function verify(token: string): Promise<JWTPayload | "EXPIRED_TOKEN" | null> {
    const { issuer, audience, algorithms } = settings;
    try {
      const { payload } = await jwtVerify(token, getKey, {
        ...{ issuer, audience, algorithms },
        clockTolerance: CLOCK_TOLERANCE_S,
        requiredClaims: ["exp", "sub"],
      });
      return payload;
    } catch (error) {
      // Its signature is right, and all else of it: that is looked at before.
      if (error instanceof errors.JWTExpired) return "EXPIRED_TOKEN";
      if (error instanceof errors.JOSEError) return null;
      throw error;
    }
  }

  return { callerOf, knownCallerOf };
}

const idOf = (token: string) => hash("sha256", token, "base64url");

// The key that a token names. All that jose throws here is about the token, or else the set can't be had.
function createKeys(settings: OidcSettings): JWTVerifyGetKey {
  let set: JWTVerifyGetKey | undefined;
  let rests_until = 0;
  return async (header, token) => {
    if (monotonicNow() < rests_until) throw new CallerUnknowable("The issuer's keys are missing.");
    try {
      set ??= createRemoteJWKSet(new URL(settings.jwks_url ?? (await discover(settings.issuer))), {
        timeoutDuration: FETCH_MS_MAX,
        cooldownDuration: COOLDOWN_MS,
        cacheMaxAge: SET_MS_MAX,
      });
      return await set(header, token);
    } catch (cause) {
      if (isAboutToken(cause)) throw cause;
      rests_until = monotonicNow() + REST_MS;
      throw new CallerUnknowable("The issuer's keys can't be had.", { cause });
    }
  };
}

const isAboutToken = (error: unknown) =>
  error instanceof errors.JWKSNoMatchingKey ||
  error instanceof errors.JWKSMultipleMatchingKeys ||
  error instanceof errors.JOSENotSupported;

const configuration = z.object({ issuer: z.string(), jwks_uri: z.url({ protocol: /^https?$/ }) });

/** Where an issuer's keys are (OpenID Connect Discovery 1.0, 4). */
async function discover(issuer: string): Promise<string> {
  const address = `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
  const signal = AbortSignal.timeout(FETCH_MS_MAX);
  const response = await fetch(address, { signal, redirect: "error" });
  if (!response.ok) throw new Error(`${address} answers ${response.status}`);
  const found = configuration.parse(await response.json());
  if (found.issuer !== issuer) throw new Error(`${address} is of another issuer`);
  return found.jwks_uri;
}

// A claim that is not what it should be makes the token no good: taken for none, it would unbind the caller.
function callerIn(payload: JWTPayload, settings: OidcSettings): Caller | null {
  const { sub: name = "" } = payload;
  if (!SUBJECT.test(name)) return null;
  const { customer_claim, roles_claim } = settings;
  const claimed = customer_claim === undefined ? undefined : claim(payload, customer_claim);
  if (claimed !== undefined && !userId.safeParse(claimed).success) return null;
  const customer = claimed === undefined ? undefined : String(claimed);
  return knownCaller({ kind: "oidc", name, roles: rolesIn(claim(payload, roles_claim)), customer });
}

// A list, or words with spaces between, as in `scope`. Roles of other systems are none of ours.
function rolesIn(value: unknown) {
  const words: unknown[] =
    typeof value === "string" ? value.split(" ") : Array.isArray(value) ? value : [];
  return words.filter(isRole);
}

// By its whole name (which may be an address), or else member by member, as in `realm_access.roles`.
function claim(payload: JWTPayload, name: string): unknown {
  if (Object.hasOwn(payload, name)) return payload[name];
  let value: unknown = payload;
  for (const part of name.split(".")) value = memberOf(value, part);
  return value;
}

const memberOf = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? Reflect.get(value, name)
    : undefined;
