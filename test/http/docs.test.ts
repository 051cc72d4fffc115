import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { documentText, readDocument } from "../../scripts/read-document.ts";
import { holdToDocument } from "./contract.ts";
import { openShop, type Shop } from "./shop.ts";

let shop: Shop;
beforeAll(async () => {
  shop = await openShop();
});
afterAll(() => shop.close());

/** Fetches as a browser does, and holds the answer against the document. */
async function fetchText(path: string, headers: Record<string, string> = {}) {
  const url = new URL(path, shop.api.url);
  const response = await fetch(url, { headers });
  const answer = {
    status: response.status,
    headers: response.headers,
    text: await response.text(),
  };
  holdToDocument({ method: "GET", url: url.href }, answer);
  return answer;
}

/** What a browser loads for a page, as the page names it. */
const loadedBy = (html: string) =>
  [...html.matchAll(/<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)="([^"]*)"/g)].map(
    ([, address = ""]) => address,
  );

const ASSETS = [
  ["/docs/favicon-32x32.png", "image/png"],
  ["/docs/swagger-ui.css", "text/css; charset=utf-8"],
  ["/docs/swagger-ui-bundle.js", "text/javascript; charset=utf-8"],
  ["/docs/initializer.js", "text/javascript; charset=utf-8"],
];

describe("/docs", () => {
  test("is a page, and everything it names is there", async () => {
    const page = await fetchText("/docs");
    expect(page.status).toBe(200);
    expect(page.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(loadedBy(page.text)).toEqual(ASSETS.map(([path]) => path));
    for (const [path = "", type] of ASSETS) {
      const { status, headers, text } = await fetchText(path);
      expect([path, status, headers.get("content-type")]).toEqual([path, 200, type]);
      expect(text.length).toBeGreaterThan(100);
    }
  });

  test("loads nothing from another host, and the browser would not let it", async () => {
    const [page, css, initializer] = await Promise.all(
      ["/docs", "/docs/swagger-ui.css", "/docs/initializer.js"].map((path) => fetchText(path)),
    );
    for (const address of loadedBy(String(page?.text)))
      expect(address).toMatch(/^\/docs\/[\w.-]+$/);
    expect(page?.text).not.toMatch(/https?:|url\(|@import|<style|\son\w+=/);
    const inCss = [...String(css?.text).matchAll(/(?:url\(|@import)\s*["']?([^"')\s]*)/g)];
    expect(inCss.length).toBeGreaterThan(5);
    expect(
      inCss.map(([, address]) => address).filter((address) => !address?.startsWith("data:")),
    ).toEqual([]);
    expect(initializer?.text).not.toMatch(/\/\/[\w-]+\.\w|https?:/);

    const policy = String(page?.headers.get("content-security-policy"));
    const sources = policy.split(";").map((directive) => directive.trim().split(" "));
    expect(sources[0]).toEqual(["default-src", "'self'"]);
    const allowed = new Set(sources.flatMap(([, ...values]) => values));
    expect([...allowed].sort()).toEqual(["'none'", "'self'", "'unsafe-inline'", "data:"]);
    // Scripts and requests go by default-src.
    expect(policy).not.toMatch(/script-src|connect-src/);
  });

  test("has no other files", async () => {
    for (const path of ["/docs/swagger-ui.js", "/docs/index.html", "/docs/%2e%2e%2fopenapi.ts"]) {
      expect((await fetchText(path)).status).toBe(404);
    }
  });

  test("is loaded once: what has not changed is answered with 304", async () => {
    for (const path of ["/docs", "/openapi.json", ...ASSETS.map(([path = ""]) => path)]) {
      const { headers } = await fetchText(path);
      const etag = String(headers.get("etag"));
      expect(headers.get("cache-control")).toBe("no-cache");
      const again = await fetchText(path, { "If-None-Match": etag });
      expect([path, again.status, again.text]).toEqual([path, 304, ""]);
      expect(again.headers.get("etag")).toBe(etag);
      expect((await fetchText(path, { "If-None-Match": '"another"' })).status).toBe(200);
    }
  });
});

test("/openapi.json is the document of the routes", async () => {
  const { status, headers, text } = await fetchText("/openapi.json");
  expect([status, headers.get("content-type")]).toEqual([200, "application/json"]);
  expect(JSON.parse(text)).toEqual(JSON.parse(documentText()));
});

describe("a request tried out on the page", () => {
  type Request = { method: string; headers: Record<string, string>; body?: string };
  type Options = Record<string, unknown> & { requestInterceptor: (request: Request) => Request };

  /** What the initializer starts swagger-ui with. */
  async function readOptions(): Promise<Options> {
    const { text } = await fetchText("/docs/initializer.js");
    const { promise, resolve } = Promise.withResolvers<Options>();
    new Function("SwaggerUIBundle", "crypto", text)(resolve, {
      // All that a page has that came over plain HTTP from another machine.
      getRandomValues: crypto.getRandomValues.bind(crypto),
    });
    return promise;
  }
  const keyExample = () =>
    String(
      readDocument()
        .operations.flatMap(({ parameters }) => parameters)
        .find(({ name }) => name === "Idempotency-Key")?.example,
    );
  const asked = (key: string, body = "{}"): Request => ({
    method: "POST",
    headers: { "Idempotency-Key": key, "X-Request-Id": "mine" },
    body,
  });

  test("asks our own document, and no validator elsewhere", async () => {
    expect(await readOptions()).toMatchObject({
      url: "/openapi.json",
      validatorUrl: null,
      tryItOutEnabled: true,
    });
  });

  test("has a new key each time, in place of the example", async () => {
    const { requestInterceptor } = await readOptions();
    const keys = [1, 2].map(
      () => requestInterceptor(asked(keyExample())).headers["Idempotency-Key"],
    );
    expect(keys).toEqual([
      expect.stringMatching(/^[0-9a-f]{32}$/),
      expect.stringMatching(/^[0-9a-f]{32}$/),
    ]);
    expect(keys[0]).not.toBe(keys[1]);
    const { headers } = requestInterceptor(asked(keyExample()));
    expect(headers["X-Request-Id"]).toBe("mine");
  });

  test("keeps a key that somebody chose, in the header or in the body", async () => {
    const { requestInterceptor } = await readOptions();
    expect(requestInterceptor(asked("mine"))).toEqual(asked("mine"));
    const inBody = asked(keyExample(), '{"sku": "tea", "idempotency_key" : "mine"}');
    expect(requestInterceptor(inBody)).toEqual({ ...inBody, headers: { "X-Request-Id": "mine" } });
    const get = { method: "GET", headers: {} };
    expect(requestInterceptor(get)).toEqual(get);
  });
});
