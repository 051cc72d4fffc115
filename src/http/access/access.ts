import type { IncomingMessage, ServerResponse } from "node:http";
import type { AuthSettings } from "../../auth-settings.ts";
import { Rejection } from "../../domain/rejection.ts";
import type { Role } from "../../domain/roles.ts";
import type { Log } from "../../log.ts";
import { createPool } from "../../postgres/client.ts";
import { type Caller, EVERYBODY } from "./caller.ts";
import { createKnownKeys } from "./known-keys.ts";
import { createOidc } from "./oidc.ts";

/** Why nobody is known to have sent a request. */
type Unknown = "NO_TOKEN" | "BAD_TOKEN" | "EXPIRED_TOKEN";

/** Who may call. Null when AUTH is off: then everybody may. */
export type Access = {
  /** Who has this token, or null; EXPIRED_TOKEN when it surely was somebody's. */
  callerOf: (token: string) => Found | Promise<Found>;
  /** Who has this token, as far as that can be said without much work. */
  knownCallerOf: (token: string) => Caller | null;
  stop: () => Promise<void>;
} | null;
type Found = Caller | "EXPIRED_TOKEN" | null;

export async function createAccess(
  auth: AuthSettings,
  { database_url, log }: { database_url: string; log: Log },
): Promise<Access> {
  if (auth.mode === "off") return null;
  if (auth.mode === "oidc") return { ...createOidc(auth), stop: async () => {} };
  const pool = createPool(database_url, log);
  const keys = createKnownKeys({ pool, log });
  await keys.start();
  const stop = () => {
    keys.stop();
    return pool.end();
  };
  return { callerOf: keys.callerOf, knownCallerOf: keys.callerOf, stop };
}

/**
 * Who sent a request, or why that is nobody.
 * @throws CallerUnknowable when it can't be said now who it is
 */
export async function identify(access: Access, req: IncomingMessage): Promise<Caller | Unknown> {
  if (!access) return EVERYBODY;
  const token = bearerToken(req);
  return token === undefined ? "NO_TOKEN" : ((await access.callerOf(token)) ?? "BAD_TOKEN");
}

/** Whether a request has a token that must be looked at with some work. */
export function hasUnknownToken(access: Access, req: IncomingMessage): boolean {
  const token = bearerToken(req);
  return access !== null && token !== undefined && access.knownCallerOf(token) === null;
}

/**
 * Who sent a request, when that may have what the route does.
 * @throws Rejection UNAUTHENTICATED or FORBIDDEN
 */
export function admit(found: Caller | Unknown, roles: readonly Role[], res: ServerResponse) {
  if (typeof found === "string") {
    const [challenge, detail] =
      found === "NO_TOKEN"
        ? ["Bearer", "Say who you are: Authorization: Bearer <token>."]
        : ['Bearer error="invalid_token"', "This token is not, or no more, one that may call."];
    res.setHeader("WWW-Authenticate", challenge);
    throw new Rejection("UNAUTHENTICATED", detail);
  }
  if (roles.some((role) => found.roles.includes(role))) return found;
  const needed = roles.length === 1 ? "the role" : "one of the roles";
  const detail = `This needs ${needed} ${roles.join(", ")}.`;
  throw new Rejection("FORBIDDEN", detail, { missing: roles });
}

// The scheme's name is in any case (RFC 9110, 11.1).
const bearerToken = ({ headers }: IncomingMessage) =>
  /^bearer +(\S+) *$/i.exec(headers.authorization ?? "")?.[1];
