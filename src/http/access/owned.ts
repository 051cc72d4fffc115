import { Rejection } from "../../domain/rejection.ts";
import type { Caller } from "./caller.ts";

/** What belongs to a customer, and is found by its id. */
export type OwnedKind = "HOLD" | "ORDER" | "WAITER";

/**
 * Whose it is that a route is about, for callers that are bound to one customer. `by` is the member of the
 * request that names the customer, or the id. NOBODYS is what has nothing to do with customers. A route that
 * does not say is closed to such callers.
 */
export type Owned = "NOBODYS" | { kind: OwnedKind | "CUSTOMER"; by: string };

/** The members of a request; one that names no customer is about the one that its caller is bound to. */
export function ofOwnCustomer(owned: Owned | undefined, { customer }: Caller, given: unknown) {
  if (customer === undefined || owned === undefined || owned === "NOBODYS") return given;
  if (owned.kind !== "CUSTOMER" || !isRecord(given) || Object.hasOwn(given, owned.by)) return given;
  return { ...given, [owned.by]: customer };
}

/** Whose a thing is. Rejects when there is none. */
export type OwnerCheck = (kind: OwnedKind, id: string, customer: string) => Promise<void>;

/**
 * Lets a caller that is bound to one customer through to what is that customer's own.
 * @param check rejects just as if there were no such thing, when it is somebody else's
 * @throws Rejection FORBIDDEN when the request is in the name of somebody else
 */
export async function refuseOthers(
  owned: Owned | undefined,
  { customer }: Caller,
  named: Record<string, unknown>,
  check: OwnerCheck,
): Promise<void> {
  if (customer === undefined || owned === "NOBODYS") return;
  if (owned === undefined) throw forbidden("This is not open to callers of one customer.");
  const value = named[owned.by];
  if (owned.kind !== "CUSTOMER") return check(owned.kind, String(value), customer);
  if (value !== customer) throw forbidden("You may act for your own customer only.");
}

const forbidden = (detail: string) => new Rejection("FORBIDDEN", detail);

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
