import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { expectProblem } from "../expect-problem.ts";
import { type BackOffice, invalid, objectOf, openBackOffice } from "./back-office.ts";
import { BAD_CODES, BAD_UNITS, badTexts, NO_NUMBERS } from "./bad-values.ts";

let office: BackOffice;
let path: string;
beforeAll(async () => {
  office = await openBackOffice({ request_budget_ms: 20_000 });
  await office.shop.api.redis.set("stock:tea", 5);
  const { body } = await office.post("/v1/purchase", { sku: "tea", qty: 5 });
  await office.record();
  path = `/v1/orders/${body.orderId}:return`;
});
afterAll(() => office.close());

const line = (texts: Record<string, string>) =>
  `[${objectOf({ sku: '"tea"', qty: "1", ...texts })}]`;
const many = (count: number) => `[${Array(count).fill('{"sku":"tea","qty":1}').join(",")}]`;
const refused = (texts: Record<string, string | undefined>, pointer: string) =>
  office.expectRefused(
    () => office.post(path, objectOf({ lines: line({}), ...texts })),
    invalid(pointer),
  );

test.each(["[]", many(101), "{}", "null", '"x"', "5"])("lines are not %s", (lines) =>
  refused({ lines }, "#/lines"),
);
test.each(["5", "null", '"tea"', "[]"])("a line is not %s", (one) =>
  refused({ lines: `[${one}]` }, "#/lines/0"),
);
test.each(BAD_CODES)("a sku is not %s", (sku) =>
  refused({ lines: line({ sku }) }, "#/lines/0/sku"),
);
test.each(["0", "-0", "-1", "1001", ...BAD_UNITS])("a quantity is not %s", (qty) =>
  refused({ lines: line({ qty }) }, "#/lines/0/qty"),
);
test("a line names no store: units go where they came from", () =>
  refused({ lines: line({ storeId: '"main"' }) }, "#/lines/0/storeId"));
test.each(['"true"', "0", "1", "null", "[]", "{}", '""'])("restock is not %s", (restock) =>
  refused({ restock }, "#/restock"),
);
test.each(badTexts(255))("a reason is not %s", (reason) => refused({ reason }, "#/reason"));
test("lines must be there", () => refused({ lines: undefined }, "#/lines"));
test("nothing else may be there", () => refused({ refund: "true" }, "#/refund"));

test.each(NO_NUMBERS)("%s is no JSON", (qty) =>
  office.expectRefused(() => office.post(path, objectOf({ lines: line({ qty }) })), {
    ...{ status: 400, code: "INVALID_REQUEST" },
  }),
);
test("without a key nothing is done", () =>
  office.expectRefused(
    () => office.post(path, { lines: [{ sku: "tea", qty: 1 }] }, { key: null }),
    {
      ...{ status: 400, code: "IDEMPOTENCY_KEY_MISSING" },
    },
  ));

test("with nothing wrong, and as many lines as may be, all of it comes back", async () => {
  const body = objectOf({ lines: many(100), reason: `"${"a".repeat(255)}"` });
  const numbers = { sku: "tea", sold: 5, returned: 0, requested: 100 };
  const beyond = { status: 409, code: "RETURN_EXCEEDS_SOLD" };
  expectProblem(await office.post(path, body), {
    ...beyond,
    members: { ...numbers, lines: [numbers] },
  });
  expect((await office.post(path, objectOf({ lines: many(5) }))).status).toBe(202);
});
