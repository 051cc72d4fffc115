import type { IncomingMessage, ServerResponse } from "node:http";
import type { AuthSettings } from "../../auth-settings.ts";
import { Rejection } from "../../domain/rejection.ts";
import type { Role } from "../../domain/roles.ts";
import type { Log } from "../../log.ts";
import { createPool } from "../../postgres/client.ts";
import { type Caller, EVERYBODY } from "./caller.ts";
import { createKnownKeys } from "./known-keys.ts";
import { createOidc } from "./oidc.ts";

/** Who may call. Null when AUTH is off: then everybody may. */
export type Access = {
  /** Who has this token, or null. */
  callerOf: (token: string) => Caller | null | Promise<Caller | null>;
  stop: () => Promise<void>;
} | null;

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
  return { callerOf: keys.callerOf, stop };
}

/**
 * Who sent a request, when that may have what the route does.
 * @throws Rejection UNAUTHENTICATED or FORBIDDEN
 * @throws CallerUnknowable when it can't be said now who it is
 */
export async function admit(
  access: Access,
  roles: readonly Role[],
  req: IncomingMessage,
  res: ServerResponse,
): Promise<Caller> {
  if (!access) return EVERYBODY;
  const token = bearerToken(req.headers.authorization);
  const caller = token === undefined ? null : await access.callerOf(token);
  if (!caller) {
    const [challenge, detail] =
      token === undefined
        ? ["Bearer", "Say who you are: Authorization: Bearer <token>."]
        : ['Bearer error="invalid_token"', "This token is not, or no more, one that may call."];
    res.setHeader("WWW-Authenticate", challenge);
    throw new Rejection("UNAUTHENTICATED", detail);
  }
  if (roles.some((role) => caller.roles.includes(role))) return caller;
  const needed = roles.length === 1 ? "the role" : "one of the roles";
  const detail = `This needs ${needed} ${roles.join(", ")}.`;
  throw new Rejection("FORBIDDEN", detail, { missing: roles });
}

// The scheme's name is in any case (RFC 9110, 11.1).
const bearerToken = (header: string | undefined) => /^bearer +(\S+) *$/i.exec(header ?? "")?.[1];
