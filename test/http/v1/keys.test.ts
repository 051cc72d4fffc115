import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { ROLES } from "../../../src/domain/roles.ts";
import { createApiKey } from "../../postgres/keys.ts";
import { query } from "../../worker/query.ts";
import { askingWith, newCaller, type TestCaller, untilStatus } from "../access/callers.ts";
import { expectProblem } from "../expect-problem.ts";
import { fresh, openShop, type Shop } from "../shop.ts";

let shop: Shop;
let ann: TestCaller;
beforeAll(async () => {
  shop = await openShop({ auth: { mode: "keys" }, request_budget_ms: 10_000 });
  ann = await newCaller(shop.api, ["operator", "checkout"], { name: "ann" });
}, 60_000);
afterAll(() => shop.close());

const wish = (more: object = {}) => ({ name: fresh("web"), roles: ["checkout"], ...more });
const make = async (more: object = {}) => {
  const { status, body } = await ann.send("POST", "/v1/keys", wish(more));
  expect(status).toBe(202);
  return { id: String(body.keyId), key: String(body.key), name: String(body.name) };
};
const untilIn = (key: string) => untilStatus(shop.api.url, key, (status) => status === 200);
const untilOut = (key: string) => untilStatus(shop.api.url, key, (status) => status === 401);

test("a key is shown once, lets its holder in, and is nowhere else", async () => {
  const body = wish({ customerId: "ada", expiresInSeconds: 3_600 });
  const asked = [await ann.send("POST", "/v1/keys", body, "k-1")];
  asked.push(await ann.send("POST", "/v1/keys", body, "k-1"));
  const [first, again] = asked.map((answer) => answer.body);
  const token = String(first?.key);
  expect(first).toMatchObject({
    ...{ name: body.name, roles: ["checkout"], customerId: "ada" },
    ...{ replacedAt: null, revokedAt: null, key: expect.stringMatching(/^hf_[0-9a-f]{16}_/) },
  });
  expect(Date.parse(String(first?.expiresAt)) - Date.parse(String(first?.createdAt))).toBe(
    3_600_000,
  );
  expect(again).toEqual({ ...first, key: null });
  expect(asked[1]?.headers.get("idempotent-replayed")).toBe("true");
  await untilIn(token);
  expectProblem(await askingWith(shop.api.url, token).get("/v1/keys"), {
    ...{ status: 403, code: "FORBIDDEN", members: { missing: ["operator"] } },
  });

  const listed = await ann.get("/v1/keys");
  expect(listed.body.items).toContainEqual({ ...first, key: undefined });
  const secret = token.split("_").slice(2).join("_");
  const kept = await query(
    shop.database.url,
    `select (select json_agg(l) from audit_log l) as log,
       (select json_agg(r) from idempotency_records r) as records,
       (select json_agg(k) from api_keys k) as keys`,
  );
  expect(JSON.stringify(kept)).toContain(String(first?.keyId));
  expect(JSON.stringify(kept)).not.toContain(secret);
  const { text } = await ann.get("/v1/idempotency/k-1");
  expect(text).toContain("POST /v1/keys");
  expect(text + listed.text).not.toContain(secret);
});

test("a rotated key goes on for the overlap, and a deleted one ends; both are told", async () => {
  const old = await make();
  const rotated = await ann.send("POST", `/v1/keys/${old.id}:rotate`, { overlapSeconds: 600 });
  expect(rotated.body).toMatchObject({ name: old.name, roles: ["checkout"] });
  const [id, key] = [String(rotated.body.keyId), String(rotated.body.key)];
  await untilIn(key);
  await untilIn(old.key);
  const gone = { status: 404, code: "NOT_FOUND" };
  expectProblem(await ann.send("POST", `/v1/keys/${old.id}:rotate`, {}), gone);
  const ended = await ann.send("DELETE", `/v1/keys/${id}`);
  expect([ended.status, ended.body]).toMatchObject([202, { keyId: id, name: old.name }]);
  await untilOut(key);
  await untilIn(old.key);
  await ann.send("DELETE", `/v1/keys/${old.id}`);
  await untilOut(old.key);
  for (const path of [old.id, id, "none"]) {
    expectProblem(await ann.send("DELETE", `/v1/keys/${path}`), gone);
  }
  // Postgres takes no NUL.
  for (const [method, path] of [
    ["DELETE", "%00"],
    ["POST", "%00:rotate"],
  ] as const) {
    const body = method === "POST" ? {} : undefined;
    const answer = await ann.send(method, `/v1/keys/${path}`, body);
    expect([answer.status, answer.body.code]).toEqual([400, "INVALID_REQUEST"]);
  }
  const { body } = await ann.get("/v1/audit-log?who=ann&limit=4");
  expect(body.items).toMatchObject([
    { what: "KEY_REVOKED", subject: old.name, before: { keys: [{ key_id: old.id }] } },
    { what: "KEY_REVOKED", subject: old.name, before: { keys: [{ key_id: id }] } },
    {
      what: "KEY_ROTATED",
      before: { keys: [{ key_id: old.id, replaced_at: null }] },
      after: { keys: [{ key_id: old.id }, { key_id: id }] },
    },
    { what: "KEY_CREATED", subject: old.name, before: null, after: { keys: [{ key_id: old.id }] } },
  ]);
});

test("a name has one live key", async () => {
  const { name } = await make();
  const taken = await ann.send("POST", "/v1/keys", wish({ name }));
  expectProblem(taken, { status: 409, code: "KEY_EXISTS" });
});

test.each(ROLES)(
  "who is an operator and %s gives these roles, and viewer",
  async (own) => {
    const caller = await newCaller(shop.api, [...new Set(["operator" as const, own])]);
    for (const role of ROLES) {
      const name = fresh("given");
      const given = { name, roles: [role], customer: null, expires_in_ms: null };
      const { key_id: id } = (await createApiKey(shop.api.pool, given)).key;
      const answers = [
        await caller.send("POST", "/v1/keys", wish({ roles: [role] })),
        await caller.send("POST", `/v1/keys/${id}:rotate`, {}),
      ];
      const may = ["operator", "viewer", own].includes(role);
      expect([role, answers.map(({ status }) => status)]).toEqual([
        role,
        may ? [202, 202] : [403, 403],
      ]);
      // Taking away is no giving.
      if (!may) expect((await caller.send("DELETE", `/v1/keys/${id}`)).status).toBe(202);
    }
  },
  60_000,
);

test.each([
  ["no name", { name: "" }],
  ["a name with a slash", { name: "a/b" }],
  ["no roles", { roles: [] }],
  ["a role that is none", { roles: ["admin"] }],
  ["a customer and another role", { roles: ["checkout", "operator"], customerId: "ada" }],
  ["no time to live", { expiresInSeconds: 0 }],
])("%s is refused", async (_, more) => {
  const { status, body } = await ann.send("POST", "/v1/keys", wish(more));
  expect([status, body.code]).toEqual([400, "INVALID_REQUEST"]);
});
