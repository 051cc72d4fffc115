import { expect } from "@jest/globals";

const INNER_WORDS =
  /node_modules|\.ts:\d|\bat \w+ \(|ReplyError|SyntaxError|TypeError|ZodError|ECONN|EVALSHA|user_script|WRONGTYPE|postgres:\/\//;

type Problem = { status: number; headers: Headers; text: string; body: Record<string, unknown> };

/** Holds an answer to RFC 9457 as the contract has it, with `members` of its own and no others. */
export function expectProblem(
  { status, headers, text, body }: Problem,
  expected: { status: number; code: string; members?: Record<string, unknown> },
): void {
  const { code, members = {} } = expected;
  expect({ status, body }).toEqual({
    status: expected.status,
    body: {
      type: `/problems/${code.toLowerCase().replaceAll("_", "-")}`,
      title: expect.stringMatching(/^[A-Z][A-Za-z -]+$/),
      status: expected.status,
      detail: expect.stringMatching(/./),
      code,
      message: body.detail,
      instance: headers.get("x-request-id"),
      ...members,
    },
  });
  expect(headers.get("content-type")).toBe("application/problem+json");
  expect(headers.get("x-request-id")).toMatch(/^[A-Za-z0-9._:-]{1,128}$/);
  expect(text).not.toMatch(INNER_WORDS);
}

/** What INVALID_REQUEST says of each bad member. */
export const memberErrors = (...pointers: string[]) => ({
  errors: pointers.map((pointer) => ({ pointer, detail: expect.stringMatching(/./) })),
});
