import type { Answered } from "./attempt.ts";

/** What a refusal tells, whoever it comes from. */
export type Told = {
  code: string;
  status: number;
  detail: string;
  requestId: string;
  members: Record<string, unknown>;
  retryAfter: number | undefined;
};

/**
 * What the service says of JSON, and else its text.
 * @throws SyntaxError when it breaks off
 */
export function bodyOf({ headers, text }: Answered): unknown {
  const type = headers.get("content-type") ?? "";
  return text !== "" && /\bjson\b/.test(type) && !/ndjson/.test(type) ? JSON.parse(text) : text;
}

/** Who is not the service, but stands before it, tells no code: then it is `HTTP_` and the status. */
export function toldBy({ status, headers, text }: Answered): Told {
  const { code, detail, instance, ...rest } = membersIn(text);
  const { type, title, status: _, message, ...members } = rest;
  const seconds = Number(headers.get("retry-after") ?? Number.NaN);
  return {
    code: typeof code === "string" ? code : `HTTP_${status}`,
    status,
    detail: typeof detail === "string" ? detail : `Answered ${status}, without a reason.`,
    requestId: typeof instance === "string" ? instance : (headers.get("x-request-id") ?? ""),
    members: typeof code === "string" ? members : {},
    retryAfter: seconds >= 0 ? seconds : undefined,
  };
}

function membersIn(text: string): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === "object" && parsed !== null ? { ...parsed } : {};
  } catch {
    return {};
  }
}
