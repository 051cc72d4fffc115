import { CUSTOMER_ROLES, ROLES, type Role } from "../../domain/roles.ts";

/** Who sent a request. */
export type Caller = {
  /** For logs. Never a token, nor a part of one. */
  name: string;
  roles: readonly Role[];
  /** The only customer it acts for; undefined for all. */
  customer: string | undefined;
  /** Goes before its idempotency keys, so that two callers never get each other's answers. */
  scope: string;
};

/** With AUTH=off, which only this machine can reach: everybody may do everything. */
export const EVERYBODY: Caller = { name: "", roles: ROLES, customer: undefined, scope: "" };
/** Of whom nothing is known (yet). */
export const NOBODY: Caller = { name: "", roles: [], customer: undefined, scope: "" };

/**
 * @param found.kind who vouches for the name
 */
export function knownCaller(found: {
  kind: "keys" | "oidc";
  name: string;
  roles: readonly Role[];
  customer: string | undefined;
}): Caller {
  const { kind, name, roles, customer } = found;
  return {
    name,
    roles: customer === undefined ? roles : roles.filter((role) => CUSTOMER_ROLES.includes(role)),
    customer,
    // Encoded, a name has no slash: so no name and key together are another name and key.
    scope: `${kind}/${encodeURIComponent(name)}/`,
  };
}

/** An idempotency key as it is remembered; "" stays none. With AUTH=off it is the caller's own word. */
export const scopedKey = ({ scope }: Caller, key: string) => (key === "" ? "" : scope + key);
