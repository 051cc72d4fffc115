import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { z } from "zod";
import { describeRoutes } from "../../../scripts/describe-routes.ts";
import { CUSTOMER_ROLES, ROLES, type Role } from "../../../src/domain/roles.ts";
import { exampleOf, requestSchema } from "../../../src/http/docs/schema.ts";
import type { RouteSpec } from "../../../src/http/route.ts";
import { expectProblem } from "../expect-problem.ts";
import { send } from "../raw.ts";
import { openShop, type Shop } from "../shop.ts";
import { ask, askingWith, newCaller, type TestCaller } from "./callers.ts";

let shop: Shop;
let callers: Record<Role, TestCaller>;
let bound: TestCaller;
beforeAll(async () => {
  shop = await openShop({ auth: { mode: "keys" } });
  const made = [];
  for (const role of ROLES) made.push([role, await newCaller(shop.api, [role])]);
  callers = Object.fromEntries(made);
  bound = await newCaller(shop.api, ["checkout"], { customer: "ada" });
});
afterAll(() => shop.close());

const specs = describeRoutes().map(({ spec }) => spec);
const rows = specs.map((spec) => [`${spec.method} ${spec.path}`, spec] as const);

/** An address of the route, with what the document has for an example. */
function addressOf({ path, params }: RouteSpec): string {
  const { properties = {} } = params ? requestSchema(params) : {};
  return path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const property = properties[name];
    const { example, ...schema } = typeof property === "object" ? property : {};
    return String(example ?? exampleOf(schema));
  });
}

describe.each(rows)("%s", (_, spec) => {
  const address = addressOf(spec);
  const asking = (token: string) => askingWith(shop.api.url, token).send(spec.method, address);
  const { roles } = spec;

  if (roles === "PUBLIC") {
    test("is open to everybody, also to who has a bad token", async () => {
      for (const headers of [{}, { authorization: "Bearer nonsense" }]) {
        const { status } = await ask(`${shop.api.url}${address}`, { headers });
        expect([200, 404, 503]).toContain(status);
      }
    });
    return;
  }

  test("is closed to whoever has no token, or a bad one", async () => {
    const none = await ask(`${shop.api.url}${address}`, { method: spec.method });
    expectProblem(none, { status: 401, code: "UNAUTHENTICATED" });
    expect(none.headers.get("www-authenticate")).toBe("Bearer");
    const bad = await asking(callers[roles[0] ?? "viewer"].token.replace(/.$/, "~"));
    expectProblem(bad, { status: 401, code: "UNAUTHENTICATED" });
    expect(bad.headers.get("www-authenticate")).toBe('Bearer error="invalid_token"');
  });

  test.each(ROLES)("knows whether %s may", async (role) => {
    const answer = await asking(callers[role].token);
    if (roles.includes(role)) expect([401, 403]).not.toContain(answer.status);
    else expectProblem(answer, { status: 403, code: "FORBIDDEN", members: { missing: roles } });
  });

  test("is open to a caller of one customer only where it says whose it is", async () => {
    const is_open = roles.some((role) => CUSTOMER_ROLES.includes(role));
    const answer = await asking(bound.token);
    expect(answer.status === 403).toBe(!is_open);
    if (is_open) expect(spec.owned).toBeDefined();
  });
});

test("the document says of each route which roles it needs", async () => {
  const { body } = await ask(`${shop.api.url}/openapi.json`);
  const document = z.looseObject({ paths: z.record(z.string(), z.record(z.string(), z.any())) });
  const { paths } = document.parse(body);
  for (const { method, path, roles } of specs) {
    const operation = paths[path]?.[method.toLowerCase()];
    if (roles === "PUBLIC") {
      expect(operation).toMatchObject({ security: [] });
      continue;
    }
    expect(operation).toMatchObject({ "x-roles": roles, security: [{ bearer: [] }] });
    for (const role of roles) expect(operation.description).toContain(`\`${role}\``);
    expect(Object.keys(operation.responses)).toEqual(expect.arrayContaining(["401", "403", "503"]));
  }
});

test("only what tells nothing of the business is public", () => {
  const open = specs.filter(({ roles }) => roles === "PUBLIC").map(({ path }) => path);
  expect(open.sort()).toEqual(
    ["/docs", "/docs/{asset}", "/health", "/openapi.json", "/problems/{slug}", "/ready"].sort(),
  );
});

test("who calls is asked before the body is read, and after whether there is such an address", async () => {
  const { url } = shop.api;
  const long = { body: "x".repeat(20_000), headers: { "content-type": "application/json" } };
  expect((await send(url, { path: "/holds/reserve", ...long })).status).toBe(401);
  expect((await send(url, { path: "/nowhere" })).status).toBe(404);
  expect((await send(url, { method: "PUT", path: "/holds/reserve" })).status).toBe(405);
  expect((await ask(`${url}/v1/stores`, { method: "HEAD" })).status).toBe(401);
});

test("what is no bearer token is none, and the scheme may be in any case", async () => {
  const { token } = callers.viewer;
  const asked = async (authorization: string) => {
    const { status, headers } = await ask(`${shop.api.url}/v1/stores`, {
      headers: { authorization },
    });
    return [status, headers.get("www-authenticate")];
  };
  expect(await asked(`bEARER  ${token} `)).toEqual([200, null]);
  for (const text of ["Basic YTpi", token, "Bearer", "Bearer a b"]) {
    expect(await asked(text)).toEqual([401, "Bearer"]);
  }
  const other = callers.operator.token;
  const swapped = `${token.slice(0, 20)}${other.slice(20)}`; // a key's id with another's secret
  for (const text of ["garbage", token.slice(0, -1), `${token}A`, swapped]) {
    expect(await asked(`Bearer ${text}`)).toEqual([401, 'Bearer error="invalid_token"']);
  }
});
