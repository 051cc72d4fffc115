import type { Request, Response } from "express";
import { Rejection } from "../../domain/rejection.ts";
import type { Caller } from "../access/caller.ts";
import type { RouteSpec } from "../route.ts";
import type { Limits } from "./limits.ts";

/** Whoever looks after us must always get through. */
const UNCOUNTED: ReadonlySet<string> = new Set(["/metrics"]);

/**
 * Who sent a request, once it has spent what it must.
 * @param admit finds out who sent it, or rejects
 * @throws Rejection RATE_LIMITED, and what `admit` throws
 */
export async function admitLimited(
  limits: Limits,
  admit: () => Promise<Caller>,
  { path, req, res }: { path: RouteSpec["path"]; req: Request; res: Response },
): Promise<Caller> {
  const has_token = req.headers.authorization !== undefined;
  if (has_token) limits.ofGuesser(req, res);
  const caller = await admit().catch(async (error: unknown) => {
    if (has_token && error instanceof Rejection && error.code === "UNAUTHENTICATED") {
      await limits.ofBadToken(req, res);
    }
    throw error;
  });
  if (!UNCOUNTED.has(path)) await limits.ofCaller(caller, req, res);
  return caller;
}
