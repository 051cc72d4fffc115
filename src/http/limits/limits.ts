import type { Request, Response } from "express";
import type { Rate } from "../../domain/rate.ts";
import { Rejection } from "../../domain/rejection.ts";
import { rateLimited } from "../../metrics.ts";
import type { Caller } from "../access/caller.ts";
import type { RouteSpec } from "../route.ts";
import { networkOf } from "./address.ts";
import type { Buckets, Permit } from "./buckets.ts";
import { createKind } from "./kind.ts";

/** Whose requests are counted. */
export const LIMITED = ["caller", "customer", "address"] as const;
type Limited = (typeof LIMITED)[number];

/** Null: without a limit. */
export type Rates = { [limited in Limited]: Rate | null };

/** Whether the requests of a route may be refused for a limit. */
export const isLimited = ({ roles }: RouteSpec) => roles !== "PUBLIC";

/** What a request spends before anything is done for it. Each rejects with RATE_LIMITED. */
export type Limits = ReturnType<typeof createLimits>;

export function createLimits({ spend, refusal }: Buckets, rates: Rates) {
  const kinds = {
    caller: kindOf("caller", rates.caller),
    customer: kindOf("customer", rates.customer),
    address: kindOf("address", rates.address),
  };
  const policies = {
    caller: policyOf("caller", rates.caller),
    customer: policyOf("customer", rates.customer),
    address: policyOf("address", rates.address),
    both: `${policyOf("caller", rates.caller)}, ${policyOf("customer", rates.customer)}`,
  };

  function spendOf(by: Limited, id: string, res: Response): void | Promise<void> {
    const kind = kinds[by];
    if (!kind) return;
    const permit = spend(kind, id);
    if (permit instanceof Promise) return permit.then((later) => note(by, later, res));
    note(by, permit, res);
  }

  // As draft-ietf-httpapi-ratelimit-headers-10 writes them: lists of structured fields (RFC 9651).
  function note(by: Limited, permit: Permit, res: Response): void {
    const left = `"${by}";r=${permit.left};t=${seconds(permit.full_ms)}`;
    // A customer's stands behind its caller's.
    const before = by === "customer" ? res.getHeader("RateLimit") : undefined;
    res.setHeader("RateLimit", before === undefined ? left : `${before}, ${left}`);
    res.setHeader("RateLimit-Policy", before === undefined ? policies[by] : policies.both);
    if (permit.granted) return;
    rateLimited.inc({ by });
    res.setHeader("Retry-After", Math.max(1, seconds(permit.wait_ms)));
    throw new Rejection("RATE_LIMITED", DETAILS[by], { by });
  }

  return {
    /** Who calls; with AUTH=off, when nobody says who it is, the address it calls from. */
    ofCaller: ({ scope }: Caller, req: Request, res: Response) =>
      rates.caller ? spendOf("caller", scope === "" ? networkOf(req.ip) : scope, res) : undefined,
    ofCustomer: (customer: string, res: Response) => spendOf("customer", customer, res),
    /** Before an unknown token is looked at: an address that has sent too many bad ones is not to go on. */
    ofGuesser(req: Request, res: Response, isUnknown: () => boolean): void {
      const permit = kinds.address && refusal(kinds.address, networkOf(req.ip));
      if (permit && isUnknown()) note("address", permit, res);
    },
    /** After a token turned out to be none that may call. */
    ofBadToken: (req: Request, res: Response) => spendOf("address", networkOf(req.ip), res),
  };
}

const kindOf = (by: Limited, rate: Rate | null) => rate && createKind(by, rate);

const DETAILS: Record<Limited, string> = {
  caller: "You send more requests than one caller may.",
  customer: "More requests come for this customer than may.",
  address: "Too many bad tokens come from this address.",
};

const seconds = (ms: number) => Math.ceil(ms / 1000);

const policyOf = (by: Limited, rate: Rate | null) =>
  rate ? `"${by}";q=${rate.burst};w=${Math.ceil(rate.burst / rate.per_second)}` : "";
