import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { dump } from "../dump.ts";
import { expectProblem } from "../expect-problem.ts";
import { send } from "../raw.ts";
import { fresh, openShop, type Shop } from "../shop.ts";
import { invalid, objectOf } from "./back-office.ts";
import { BAD_CODES, BAD_UNITS, badTexts } from "./bad-values.ts";

let shop: Shop;
beforeAll(async () => {
  shop = await openShop();
  await shop.api.redis.set("stock:tea", 0);
});
afterAll(() => shop.close());

const GOOD = { sku: '"tea"', qty: "1", customerId: '"ada"', offerSeconds: "60" };
const request = (body: string, headers: Record<string, string> = {}) => ({
  ...{ method: "POST", path: "/v1/waitlist", body },
  headers: { "Content-Type": "application/json", "Idempotency-Key": fresh("key"), ...headers },
});

async function expectRefused(
  asked: Parameters<typeof send>[1],
  refusal: Parameters<typeof expectProblem>[1],
) {
  const before = await dump(shop.api.redis);
  expectProblem(await send(shop.api.url, asked), refusal);
  expect(await dump(shop.api.redis)).toEqual(before);
}

const UNITS = ["0", "-1", "1001", ...BAD_UNITS];
const SECONDS = ["0", "-1", "86401", ...BAD_UNITS];
describe.each([
  ["sku", BAD_CODES],
  ["storeId", BAD_CODES],
  ["qty", UNITS],
  ["customerId", badTexts(128)],
  ["offerSeconds", SECONDS],
])("joining with a bad %s", (member, values) => {
  test.each(values)("%s is refused", async (value) => {
    await expectRefused(request(objectOf({ ...GOOD, [member]: value })), invalid(`#/${member}`));
  });
});

test.each(["sku", "qty", "customerId", "offerSeconds"])("joining needs %s", async (member) => {
  await expectRefused(request(objectOf({ ...GOOD, [member]: undefined })), invalid(`#/${member}`));
});

test("joining takes no member that it does not know", async () => {
  await expectRefused(request(objectOf({ ...GOOD, quantity: "1" })), invalid("#/quantity"));
});

test.each([
  ["POST", "/v1/waitlist", objectOf(GOOD)],
  ["DELETE", "/v1/waitlist/W-00000000-0000-7000-8000-000000000000", undefined],
])("%s %s needs a key", async (method, path, body) => {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  const missing = { status: 400, code: "IDEMPOTENCY_KEY_MISSING" };
  await expectRefused({ method, path, headers, ...(body === undefined ? {} : { body }) }, missing);
});
