import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type RawRequest, send } from "./raw.ts";
import { fresh, openShop, type Shop } from "./shop.ts";

const ORIGIN = "https://shop.example";

// One lets nobody in from elsewhere and believes no proxy; the other one does.
let closed: Shop;
let open: Shop;
const rates = { caller: { per_second: 0.01, burst: 9 }, customer: null, address: null };
beforeAll(async () => {
  [closed, open] = await Promise.all([
    openShop({ rates }),
    openShop({ rates, cors_origins: [ORIGIN, "http://localhost:3000"], trust_proxy: 1 }),
  ]);
});
afterAll(() => Promise.all([closed.close(), open.close()]));

const asked = (shop: Shop, path: string, { headers = {}, ...more }: RawRequest = {}) =>
  send(shop.api.url, { method: "GET", path, headers: { Host: "test", ...headers }, ...more });
const text = async (shop: Shop, path: string) => {
  const response = await fetch(`${shop.api.url}${path}`);
  return { headers: response.headers, text: await response.text() };
};

const NOTHING = "default-src 'none';frame-ancestors 'none'";

describe("every answer", () => {
  test.each([
    ["/health", 200],
    ["/nothing", 404],
    ["/holds/reserve", 405],
    ["/openapi.json", 200],
  ])("keeps browsers from guessing, framing and running it: %s", async (path, status) => {
    const answer = await asked(closed, path);
    expect(answer.status).toBe(status);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      "content-security-policy": NOTHING,
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-resource-policy": "same-origin",
      "referrer-policy": "no-referrer",
      "x-content-type-options": "nosniff",
      "x-frame-options": "DENY",
    });
    expect(answer.headers.get("x-powered-by")).toBeNull();
  });

  test("that is a page lets a browser load what it is made of, and no more", async () => {
    const docs = await text(closed, "/docs");
    expect(docs.headers.get("content-security-policy")).toMatch(/^default-src 'self'; style-src/);
    const page = await text(closed, "/problems/sold-out");
    const policy = String(page.headers.get("content-security-policy"));
    const [, style = ""] = /<style>(.*)<\/style>/.exec(page.text) ?? [];
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(style));
    const hash = Buffer.from(digest).toString("base64");
    expect(policy).toContain(`default-src 'none'; style-src 'sha256-${hash}';`);
    expect(page.text).not.toMatch(/\sstyle=|<script|\son\w+=/);
  });
});

describe("a page elsewhere", () => {
  const preflight = (shop: Shop, origin: string) =>
    asked(shop, "/holds/reserve", {
      method: "OPTIONS",
      headers: {
        Origin: origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,idempotency-key",
      },
    });
  const shares = ({ headers }: { headers: Headers }) => headers.get("access-control-allow-origin");

  test("may read nothing unless it was named", async () => {
    for (const [shop, origin] of [
      [closed, ORIGIN],
      [open, "https://evil.example"],
      [open, "null"],
      [open, `${ORIGIN}.evil.example`],
    ] as const) {
      expect(shares(await asked(shop, "/health", { headers: { Origin: origin } }))).toBeNull();
      expect(shares(await preflight(shop, origin))).toBeNull();
    }
    expect((await preflight(closed, ORIGIN)).status).toBe(405);
  });

  test("that was named may ask, and read answers, problems and their headers", async () => {
    const allowed = await preflight(open, ORIGIN);
    expect([allowed.status, shares(allowed)]).toEqual([204, ORIGIN]);
    expect(allowed.headers.get("access-control-allow-methods")).toBe(
      "HEAD,GET,POST,PUT,PATCH,DELETE",
    );
    expect(allowed.headers.get("access-control-allow-headers")).toContain("Idempotency-Key");
    expect(allowed.headers.get("access-control-allow-credentials")).toBeNull();
    for (const path of ["/health", "/nothing", `/holds/${fresh("H")}`]) {
      const answer = await asked(open, path, { headers: { Origin: ORIGIN } });
      expect(shares(answer)).toBe(ORIGIN);
      expect(answer.headers.get("vary")).toContain("Origin");
      const exposed = String(answer.headers.get("access-control-expose-headers"));
      for (const name of ["X-Request-Id", "Retry-After", "RateLimit", "Location", "ETag"]) {
        expect(exposed.split(",")).toContain(name);
      }
    }
    const options = await asked(open, "/health", { method: "OPTIONS" });
    expect([options.status, options.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
  });
});

describe("X-Forwarded-For", () => {
  /** How many different addresses the API has taken these for. */
  async function callersSeen(shop: Shop, forwarded: string[]) {
    const before = await shop.api.redis.keys("inventory.permits:*");
    for (const text of forwarded) {
      await asked(shop, "/holds/H-1", { headers: { "X-Forwarded-For": text } });
    }
    const after = await shop.api.redis.keys("inventory.permits:*");
    return after.filter((key) => !before.includes(key)).sort();
  }

  test("is believed of nobody unless it was told, and of no more proxies than there are", async () => {
    expect(await callersSeen(closed, ["192.0.2.1", "192.0.2.2"])).toEqual([
      "inventory.permits:caller:127.0.0.1",
    ]);
    expect(await callersSeen(open, ["192.0.2.1", "10.9.9.9, 192.0.2.2"])).toEqual([
      "inventory.permits:caller:192.0.2.1",
      "inventory.permits:caller:192.0.2.2",
    ]);
  });
});
