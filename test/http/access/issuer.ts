import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import {
  type CryptoKey,
  exportJWK,
  exportSPKI,
  generateKeyPair,
  type JWTPayload,
  SignJWT,
} from "jose";
import type { OidcSettings } from "../../../src/auth-settings.ts";

export const AUDIENCE = "holdfast";

/** An issuer of one's own: real keys, served by real HTTP, on a port of its own. */
export async function openIssuer() {
  const made = new Map<string, Awaited<ReturnType<typeof newKey>>>([["one", await newKey("one")]]);
  let asked = 0;
  const server = createServer((req, res) => {
    asked += 1;
    res.setHeader("content-type", "application/json");
    const is_set = req.url === "/keys";
    const keys = [...made.values()].map(({ jwk }) => jwk);
    res.end(JSON.stringify(is_set ? { keys } : { issuer: url, jwks_uri: `${url}/keys` }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo; // it listens on a port, not on a pipe
  const url = `http://127.0.0.1:${port}`;

  /** A token as it should be, but for what `claims` and `more` say. */
  function token(claims: JWTPayload = {}, { kid = "one", ends = "5m", key = keyOf(kid) } = {}) {
    return unending(claims, kid).setExpirationTime(ends).sign(key);
  }

  const unending = (claims: JWTPayload, kid: string) =>
    new SignJWT({ roles: ["viewer"], ...claims })
      .setProtectedHeader({ alg: "RS256", kid })
      .setIssuer(claims.iss ?? url)
      .setAudience(claims.aud ?? AUDIENCE)
      .setSubject(claims.sub ?? "shop-7")
      .setIssuedAt();

  const keyOf = (kid: string): CryptoKey => {
    const key = made.get(kid);
    if (!key) throw new Error(`There is no key ${kid}`);
    return key.private_key;
  };

  return {
    url,
    token,
    /** One that nothing is wrong with but that it has no end. */
    endlessToken: () => unending({}, "one").sign(keyOf("one")),
    publicKey: () => made.get("one")?.pem ?? "",
    /** How often somebody asked for something. */
    asked: () => asked,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
    settings: {
      mode: "oidc",
      issuer: url,
      audience: AUDIENCE,
      jwks_url: undefined,
      algorithms: ["RS256", "PS256", "ES256", "EdDSA"],
      roles_claim: "roles",
      customer_claim: undefined,
    } satisfies OidcSettings,
  };
}

/** A key that the issuer may or may not know of. */
export async function newKey(kid: string) {
  const { privateKey, publicKey } = await generateKeyPair("RS256", { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), kid, alg: "RS256", use: "sig" };
  return { private_key: privateKey, jwk, pem: await exportSPKI(publicKey) };
}
