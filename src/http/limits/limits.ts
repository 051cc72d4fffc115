import type { Request, Response } from "express";
import type { Rate } from "../../domain/rate.ts";
import { Rejection } from "../../domain/rejection.ts";
import { rateLimited } from "../../metrics.ts";
import type { Caller } from "../access/caller.ts";
import type { RouteSpec } from "../route.ts";
import { networkOf } from "./address.ts";
import type { Buckets, Permit } from "./buckets.ts";

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
  const policies = {
    caller: policyOf("caller", rates.caller),
    customer: policyOf("customer", rates.customer),
    address: policyOf("address", rates.address),
  };

  function spendOf(by: Limited, id: string, res: Response): void | Promise<void> {
    const rate = rates[by];
    if (!rate) return;
    const permit = spend(`${by}:${id}`, rate);
    if (permit instanceof Promise) return permit.then((later) => note(by, later, res));
    note(by, permit, res);
  }

  // As draft-ietf-httpapi-ratelimit-headers-10 writes them: lists of structured fields (RFC 9651).
  function note(by: Limited, permit: Permit, res: Response): void {
    const left = `"${by}";r=${permit.left};t=${seconds(permit.full_ms)}`;
    append(res, "RateLimit", left);
    append(res, "RateLimit-Policy", policies[by]);
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
      const permit = rates.address && refusal(`address:${networkOf(req.ip)}`);
      if (permit && isUnknown()) note("address", permit, res);
    },
    /** After a token turned out to be none that may call. */
    ofBadToken: (req: Request, res: Response) => spendOf("address", networkOf(req.ip), res),
  };
}

const DETAILS: Record<Limited, string> = {
  caller: "You send more requests than one caller may.",
  customer: "More requests come for this customer than may.",
  address: "Too many bad tokens come from this address.",
};

const seconds = (ms: number) => Math.ceil(ms / 1000);

const policyOf = (by: Limited, rate: Rate | null) =>
  rate ? `"${by}";q=${rate.burst};w=${Math.ceil(rate.burst / rate.per_second)}` : "";

function append(res: Response, name: string, item: string): void {
  const before = res.getHeader(name);
  res.setHeader(name, before === undefined ? item : `${before}, ${item}`);
}
