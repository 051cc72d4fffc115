import { createHmac } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { until } from "../../../scripts/until.ts";
import { createOidc } from "../../../src/http/access/oidc.ts";
import { CallerUnknowable } from "../../../src/http/problem.ts";
import { expectProblem } from "../expect-problem.ts";
import { fresh, openShop, type Shop } from "../shop.ts";
import { ask, askingWith, bearer } from "./callers.ts";
import { newKey, openIssuer } from "./issuer.ts";

type Issuer = Awaited<ReturnType<typeof openIssuer>>;

let issuer: Issuer;
let shop: Shop;
beforeAll(async () => {
  issuer = await openIssuer();
  shop = await openShop({ auth: { ...issuer.settings, customer_claim: "customer" } });
});
afterAll(() => Promise.all([shop.close(), issuer.close()]));

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
const claims = () => ({
  ...{ iss: issuer.url, aud: "holdfast", sub: "shop-7", roles: ["viewer"] },
  exp: Math.floor(Date.now() / 1000) + 300,
});
const asked = (token: string, path = "/v1/stores") =>
  ask(`${shop.api.url}${path}`, { headers: bearer(token) });

test("a token of the issuer is let in, and its roles decide", async () => {
  const token = await issuer.token();
  expect((await asked(token)).status).toBe(200);
  const forbidden = await askingWith(shop.api.url, token).send("POST", "/v1/stores");
  const members = { missing: ["inventory"] };
  expectProblem(forbidden, { status: 403, code: "FORBIDDEN", members });
});

test.each<[string, () => Promise<string> | string]>([
  ["garbage", () => "garbage"],
  ["three empty parts", () => ".."],
  ["alg none", () => `${part({ alg: "none" })}.${part(claims())}.`],
  [
    "alg none with a signature",
    () => `${part({ alg: "none", kid: "one" })}.${part(claims())}.c2ln`,
  ],
  [
    "HS256 with the public key for its secret",
    () => {
      const signed = `${part({ alg: "HS256", kid: "one" })}.${part(claims())}`;
      const mac = createHmac("sha256", issuer.publicKey()).update(signed).digest("base64url");
      return `${signed}.${mac}`;
    },
  ],
  ["one that has expired", () => issuer.token({}, { ends: "-10s" })],
  ["one that is not valid yet", () => issuer.token({ nbf: Math.floor(Date.now() / 1000) + 60 })],
  ["another audience", () => issuer.token({ aud: "another" })],
  ["another issuer", () => issuer.token({ iss: "https://another.example" })],
  [
    "an unknown key id",
    async () => issuer.token({}, { kid: "two", key: (await newKey("two")).private_key }),
  ],
  [
    "the known key id, and another key",
    async () => issuer.token({}, { key: (await newKey("one")).private_key }),
  ],
  [
    "changed claims",
    async () => {
      const [head, , mac] = (await issuer.token()).split(".");
      return `${head}.${part({ ...claims(), roles: ["operator"] })}.${mac}`;
    },
  ],
  ["one without an end", () => issuer.endlessToken()],
  ["no subject", () => issuer.token({ sub: "" })],
  ["a subject with a NUL", () => issuer.token({ sub: "ann\0" })],
  ["a customer that is no name", () => issuer.token({ customer: 7 })],
])("%s is no token", async (_, make) => {
  const answer = await asked(await make());
  expectProblem(answer, { status: 401, code: "UNAUTHENTICATED" });
  expect(answer.headers.get("www-authenticate")).toBe('Bearer error="invalid_token"');
});

test("a token that is signed in another way than the settings allow is none", async () => {
  const token = await issuer.token();
  const callerBy = (algorithms: string[]) =>
    createOidc({ ...issuer.settings, algorithms }).callerOf(token);
  expect(await callerBy(["PS256", "ES256"])).toBeNull();
  expect(await callerBy(["RS256"])).toMatchObject({ name: "shop-7" });
});

test("clocks may differ by five seconds; then also a token that was known is over", async () => {
  // A busy machine may need longer than the three seconds that are left.
  const token = await until("one is let in", async () => {
    const made = await issuer.token({}, { ends: "-1s" });
    return (await asked(made)).status === 200 ? made : undefined;
  });
  await until("it is over", async () => (await asked(token)).status === 401 || undefined);
});

test.each([
  ["words", "viewer checkout"],
  ["a list with roles of others", ["admin", "viewer", 7]],
])("roles may be %s", async (_, roles) => {
  expect((await asked(await issuer.token({ roles }))).status).toBe(200);
});

test.each([["none"], [""], [7], [{ viewer: true }], [["Viewer"]]])(
  "roles that are %j are no roles",
  async (roles) => {
    const answer = await asked(await issuer.token({ roles }));
    expect([answer.status, answer.body.missing]).toEqual([
      403,
      ["checkout", "inventory", "operator", "viewer"],
    ]);
  },
);

test("a token with the customer claim is bound to that customer, whatever else it may", async () => {
  const token = await issuer.token({ customer: "ada", roles: ["checkout", "operator", "viewer"] });
  const { send, get } = askingWith(shop.api.url, token);
  const sku = await shop.stock(5);
  const wish = { sku, qty: 1, idempotency_key: fresh("key") };
  expect((await send("POST", "/holds/reserve", wish, wish.idempotency_key)).body.user_id).toBe(
    "ada",
  );
  expect((await get("/v1/events")).status).toBe(403);
});

describe("the issuer's keys", () => {
  test("are asked for once, and a token is verified once", async () => {
    const own = await openIssuer();
    try {
      const { callerOf } = createOidc(own.settings);
      const token = await own.token();
      const first = await callerOf(token);
      expect(first).toMatchObject({ name: "shop-7", roles: ["viewer"] });
      expect(await callerOf(token)).toBe(first); // the very same, which no second look could make
      expect(await callerOf(await own.token({ sub: "shop-8" }))).toMatchObject({ name: "shop-8" });
      expect(own.asked()).toBe(2); // where they are, and they themselves
    } finally {
      await own.close();
    }
  });

  test("are not asked for again by each token that names an unknown one", async () => {
    const own = await openIssuer();
    try {
      const { callerOf } = createOidc(own.settings);
      const key = (await newKey("two")).private_key;
      for (let i = 0; i < 3; i += 1) {
        expect(await callerOf(await own.token({}, { kid: `two-${i}`, key }))).toBeNull();
      }
      expect(own.asked()).toBeLessThanOrEqual(3); // where they are, they, and once more at most
    } finally {
      await own.close();
    }
  });

  test("are not taken from who says that it is another issuer", async () => {
    const { callerOf } = createOidc({ ...issuer.settings, issuer: `${issuer.url}/` });
    await expect(callerOf(await issuer.token())).rejects.toThrow(CallerUnknowable);
  });

  test("that can't be had make it a 503, and not a 401; who is known goes on", async () => {
    const own = await openIssuer();
    const known = createOidc(own.settings);
    const token = await own.token();
    const caller = await known.callerOf(token);
    await own.close();
    expect(await known.callerOf(token)).toBe(caller);
    await expect(createOidc(own.settings).callerOf(token)).rejects.toThrow(CallerUnknowable);
    const away = await openShop({ auth: own.settings });
    try {
      const answer = await ask(`${away.api.url}/v1/stores`, { headers: bearer(token) });
      expectProblem(answer, { status: 503, code: "STORE_UNAVAILABLE" });
      expect(answer.headers.get("retry-after")).toMatch(/^\d+$/);
      expect((await ask(`${away.api.url}/health`)).status).toBe(200);
    } finally {
      await away.close();
    }
  });
});

test("a claim within a claim is found by both names, and one with dots by its own", async () => {
  const token = await issuer.token({ realm: { roles: ["operator"] }, "my.roles": ["inventory"] });
  const callerBy = (roles_claim: string) =>
    createOidc({ ...issuer.settings, roles_claim }).callerOf(token);
  expect(await callerBy("realm.roles")).toMatchObject({ roles: ["operator"] });
  expect(await callerBy("my.roles")).toMatchObject({ roles: ["inventory"] });
  expect(await callerBy("no.such.claim")).toMatchObject({ roles: [] });
});
