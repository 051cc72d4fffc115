import { describe, expect, test } from "@jest/globals";
import { problemBody } from "../../src/http/problem.ts";
import { PROBLEMS, type ProblemCode } from "../../src/http/problem-kinds.ts";
import { holdToDocument } from "./contract.ts";

const URL_OF = (path: string) => `http://localhost:1${path}`;
const CANCEL = { method: "POST", url: URL_OF("/holds/cancel") };
const READ = { method: "GET", url: URL_OF("/v1/reservations/H-1") };
const CANCELLED = { hold_id: "H-1", status: "CANCELLED" };
const ID = { "X-Request-Id": "r-1" };
const JSON_TYPE = { "Content-Type": "application/json" };
const PROBLEM_TYPE = { "Content-Type": "application/problem+json" };

type Given = { status: number; headers: Record<string, string>; body?: unknown };
const answer = ({ status, headers, body }: Given) => ({
  status,
  headers: new Headers(headers),
  text: body === undefined ? "" : JSON.stringify(body),
});
const problem = (code: ProblemCode, more: Partial<Given> = {}, members = {}): Given => ({
  status: PROBLEMS[code].status,
  headers: { ...ID, ...PROBLEM_TYPE },
  body: problemBody({ code, detail: "It is so.", members }, "r-1"),
  ...more,
});
const good: Given = { status: 200, headers: { ...ID, ...JSON_TYPE }, body: CANCELLED };
const waiting = { ...ID, ...PROBLEM_TYPE, "Retry-After": "2" };
const known = { ...ID, ETag: '"x"', "X-Projection-Lag-ms": "0" };

describe("the document knows", () => {
  test.each<[string, typeof CANCEL, Given]>([
    ["a good answer", CANCEL, good],
    ["a replay", CANCEL, { ...good, headers: { ...good.headers, "Idempotent-Replayed": "true" } }],
    ["a problem", CANCEL, problem("HOLD_ALREADY_CONFIRMED", {}, { hold_id: "H-1" })],
    ["a 503", CANCEL, problem("OVERLOADED", { headers: waiting })],
    ["a 304", READ, { status: 304, headers: known }],
    ["what any address may answer", { method: "GET", url: URL_OF("/no") }, problem("NOT_FOUND")],
    [
      "a method that is not possible",
      { ...CANCEL, method: "PUT" },
      problem("METHOD_NOT_ALLOWED", { headers: { ...ID, ...PROBLEM_TYPE, Allow: "POST" } }),
    ],
  ])("%s", (_, asked, given) => {
    expect(() => holdToDocument(asked, answer(given))).not.toThrow();
  });
});

describe("the document does not know", () => {
  const { hold_id: _, ...incomplete } = CANCELLED;
  test.each<[string, typeof CANCEL, Given]>([
    ["another status", CANCEL, { ...good, status: 201 }],
    ["an answer without a request id", CANCEL, { ...good, headers: JSON_TYPE }],
    ["a header of its own", CANCEL, { ...good, headers: { ...good.headers, "X-Other": "1" } }],
    [
      "a replay of no",
      CANCEL,
      { ...good, headers: { ...good.headers, "Idempotent-Replayed": "no" } },
    ],
    ["another media type", CANCEL, { ...good, headers: { ...ID, "Content-Type": "text/plain" } }],
    ["no media type", CANCEL, { ...good, headers: ID }],
    ["a member more", CANCEL, { ...good, body: { ...CANCELLED, more: 1 } }],
    ["a member more of a problem", CANCEL, problem("HOLD_NOT_FOUND", {}, { hold_id: "H-1" })],
    ["a member less", CANCEL, { ...good, body: incomplete }],
    ["a value that is none of them", CANCEL, { ...good, body: { ...CANCELLED, status: "GONE" } }],
    ["a list", CANCEL, { ...good, body: [] }],
    ["a problem of other routes", CANCEL, problem("SOLD_OUT")],
    ["a code of another status", CANCEL, problem("HOLD_NOT_FOUND", { status: 409 })],
    ["a problem without its members", CANCEL, problem("HOLD_ALREADY_CONFIRMED")],
    ["a problem as plain JSON", CANCEL, problem("HOLD_NOT_FOUND", { headers: good.headers })],
    ["a 503 that says not when to come again", CANCEL, problem("OVERLOADED")],
    [
      "a time to wait in words",
      CANCEL,
      problem("OVERLOADED", { headers: { ...waiting, "Retry-After": "soon" } }),
    ],
    ["a 304 with a body", READ, { status: 304, headers: known, body: {} }],
    ["a 304 without its lag", READ, { status: 304, headers: { ...ID, ETag: '"x"' } }],
    ["an address that is none", { method: "GET", url: URL_OF("/holds") }, good],
    ["a 405 without Allow", { ...CANCEL, method: "PUT" }, problem("METHOD_NOT_ALLOWED")],
    ["a 404 for a method", { ...CANCEL, method: "PUT" }, problem("NOT_FOUND")],
  ])("%s", (_, asked, given) => {
    expect(() => holdToDocument(asked, answer(given))).toThrow("/openapi.json has no such answer");
  });
});
