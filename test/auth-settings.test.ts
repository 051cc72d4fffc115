import { describe, expect, test } from "@jest/globals";
import { readAuthSettings } from "../src/auth-settings.ts";
import { readConfig } from "../src/config.ts";

const URLS = { REDIS_URL: "redis://127.0.0.1:6380", DATABASE_URL: "postgres://h@127.0.0.1/h" };
const read = (env: Record<string, string>) => readAuthSettings(readConfig({ ...URLS, ...env }));

test.each(["127.0.0.1", "127.8.9.10", "::1", "localhost"])("on %s nobody is asked", (HOST) => {
  expect(read({ HOST })).toEqual({ mode: "off" });
});

test.each(["0.0.0.0", "::", "10.0.0.1", "example.com", "127.0.0.1.example.com", "localhost.a"])(
  "on %s somebody must say who may call",
  (HOST) => {
    expect(() => read({ HOST })).toThrow(/^Bad settings .*\n {2}AUTH: .*Set AUTH to keys or oidc/);
    expect(read({ HOST, AUTH: "keys" })).toEqual({ mode: "keys" });
  },
);

describe("AUTH=oidc", () => {
  const OIDC = { AUTH: "oidc", OIDC_ISSUER: "https://id.example", OIDC_AUDIENCE: "holdfast" };

  test("needs an issuer and an audience, and has defaults for the rest", () => {
    expect(read(OIDC)).toEqual({
      mode: "oidc",
      issuer: "https://id.example",
      audience: "holdfast",
      jwks_url: undefined,
      algorithms: ["RS256", "PS256", "ES256", "EdDSA"],
      roles_claim: "roles",
      customer_claim: undefined,
    });
    expect(() => read({ ...OIDC, OIDC_ISSUER: "" })).toThrow("OIDC_ISSUER: is needed");
    expect(() => read({ ...OIDC, OIDC_AUDIENCE: "" })).toThrow("OIDC_AUDIENCE: is needed");
  });

  test.each(["HS256", "none", "RS256,HS512", "rs256", "RS256,", "dir"])(
    "refuses to take tokens signed by %s",
    (OIDC_ALGORITHMS) => {
      expect(() => read({ ...OIDC, OIDC_ALGORITHMS })).toThrow("OIDC_ALGORITHMS");
    },
  );

  test("takes keys by https alone, but for those of this machine", () => {
    expect(() => read({ ...OIDC, OIDC_ISSUER: "http://id.example" })).toThrow(
      "OIDC_ISSUER: must be https",
    );
    const jwks = { OIDC_JWKS_URL: "http://id.example/keys" };
    expect(() => read({ ...OIDC, ...jwks })).toThrow("OIDC_JWKS_URL: must be https");
    for (const OIDC_ISSUER of ["http://127.0.0.1:9000", "http://[::1]:9000", "http://localhost"]) {
      expect(read({ ...OIDC, OIDC_ISSUER })).toMatchObject({ issuer: OIDC_ISSUER });
    }
  });
});
