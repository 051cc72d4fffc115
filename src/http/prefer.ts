import type { Request } from "express";

const WAIT_SECONDS_MAX = 10;

/** Whether a route's answer may wait until what it did is recorded. Bulk answers line by line, and can't. */
export const canWait = ({
  method,
  path,
  body_types,
}: {
  method: string;
  path: string;
  body_types?: object;
}) =>
  path === "/holds/confirm" ||
  (path.startsWith("/v1/") && method !== "GET" && body_types === undefined);

/** The seconds of `Prefer: wait=N` (RFC 7240), as ms. What can't be understood is no preference. */
export function preferredWait(req: Request): number | undefined {
  for (const preference of String(req.headers.prefer ?? "").split(",")) {
    const [, seconds] = /^\s*wait\s*=\s*"?([0-9]{1,9})"?\s*$/i.exec(preference) ?? [];
    if (seconds !== undefined) return Math.min(Number(seconds), WAIT_SECONDS_MAX) * 1_000;
  }
  return undefined;
}

/** The answer to what was decided, as soon as it is recorded or `wait_ms` are over. */
export async function whenRecorded<
  Reply extends { status: number; body: unknown; headers?: Record<string, string> },
>(
  decided: Reply,
  wait_ms: number,
  untilRecorded: (ms: number) => Promise<boolean>,
): Promise<Reply> {
  const recorded = await untilRecorded(wait_ms);
  const applied = recorded ? { "Preference-Applied": `wait=${wait_ms / 1_000}` } : {};
  return {
    ...decided,
    status: recorded ? 200 : 202,
    headers: { ...decided.headers, ...applied },
    body: { ...(decided.body as object), recorded }, // a write's answer is an object
  };
}
