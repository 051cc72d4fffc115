import type { Request, Response } from "express";
import { type Access, hasUnknownToken, identify } from "../access/access.ts";
import type { RouteSpec } from "../route.ts";
import type { Limits } from "./limits.ts";

/** Whoever looks after us must always get through. */
const UNCOUNTED: ReadonlySet<string> = new Set(["/metrics"]);

/**
 * Who sent a request, or why that is nobody, once it has spent what it must. A token that has expired is no
 * guess: a shop's server hands on those of its customers.
 * @throws Rejection RATE_LIMITED, and what `identify` throws
 */
export async function identifyLimited(
  limits: Limits,
  access: Access,
  { path, req, res }: { path: RouteSpec["path"]; req: Request; res: Response },
) {
  limits.ofGuesser(req, res, () => hasUnknownToken(access, req));
  const found = await identify(access, req);
  if (found === "BAD_TOKEN") await limits.ofBadToken(req, res);
  if (typeof found !== "string" && !UNCOUNTED.has(path)) await limits.ofCaller(found, req, res);
  return found;
}
