import { readFileSync } from "node:fs";
import { expect, test } from "@jest/globals";
import { collectionText, createCollection } from "../../scripts/postman-collection.ts";
import { readDocument } from "../../scripts/read-document.ts";

const FILE = "docs/holdfast.postman_collection.json";
const document = readDocument();
const collection = createCollection(document);
const requests = collection.item.flatMap(({ item }) => item.map(({ request }) => request));
const requestTo = (address: string) =>
  requests.find(({ url }) => url.raw === `{{baseUrl}}${address}`);

test("the checked-in collection is what the document gives: npm run postman mends it", () => {
  const path = new URL(`../../${FILE}`, import.meta.url);
  const text = collectionText(document);
  expect(JSON.parse(text)).toEqual(collection);
  expect(readFileSync(path, "utf8") === text).toBe(true); // a difference would be screens long
});

test("a collection has every request, in a folder for each tag", () => {
  expect(requests.length).toBe(document.operations.length);
  expect(collection.item.map(({ name }) => name)).toEqual(document.tags.map(({ name }) => name));
});

test("is the same each time it is made", () => {
  expect(createCollection(readDocument())).toEqual(collection);
});

test("a request can be sent as it is: with a new key, a body, and an address filled in", () => {
  const confirm = requestTo("/v1/reservations/{{id}}:confirm");
  expect(confirm).toMatchObject({
    method: "POST",
    body: { raw: '{\n  "paymentRef": "pay_81"\n}' },
  });
  expect(
    confirm?.header.flatMap(({ disabled, key, value }) => (disabled ? [] : [[key, value]])),
  ).toEqual([
    ["Content-Type", "application/json"],
    ["Idempotency-Key", "{{$guid}}"],
  ]);
  const named = requests.flatMap(({ url }) => url.raw.match(/(?<=\{\{)\w+(?=\}\})/g) ?? []);
  expect(collection.variable.map(({ key }) => key).sort()).toEqual(
    [...new Set([...named, "token"])].sort(),
  );
  expect(collection.auth.bearer).toMatchObject([{ key: "token", value: "{{token}}" }]);
  expect(collection.variable.filter(({ value }) => value === "")).toEqual([]);
});

test("what may be left out of an address is shown, and left out unless it has an example", () => {
  const filters = requestTo("/v1/orders")?.url.query.map(({ key, disabled }) => [key, disabled]);
  expect(filters).toEqual(
    expect.arrayContaining([
      ["customerId", true],
      ["cursor", true],
    ]),
  );
  const query = requestTo("/v1/availability?sku=tea")?.url.query;
  expect(query).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ key: "sku", value: "tea", disabled: false }),
      expect.objectContaining({ key: "skus", disabled: true }),
    ]),
  );
});
