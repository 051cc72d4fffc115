import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { Redis } from "ioredis";
import { freePort } from "../../scripts/free-port.ts";
import { REPO_DIR } from "../../scripts/stack-files.ts";
import { createLog } from "../../src/log.ts";
import { createPool } from "../../src/postgres/client.ts";
import { untilStatus } from "../http/access/callers.ts";
import { createApiKey } from "../postgres/keys.ts";
import { spawnApi, spawnWorker, type TestProcess } from "../setup/processes.ts";
import { freshDatabase, freshRedis } from "../setup/stack.ts";

let server: Awaited<ReturnType<typeof freshRedis>>;
let database: Awaited<ReturnType<typeof freshDatabase>>;
let redis: Redis;
let api: TestProcess;
let worker: TestProcess;
/** Of a key that may all that smoke does. */
let token: string;

beforeAll(async () => {
  [server, database] = await Promise.all([freshRedis(), freshDatabase()]);
  redis = new Redis(server.url);
  const env = { REDIS_URL: server.url, DATABASE_URL: database.url, AUTH: "keys" };
  [api, worker] = await Promise.all([spawnApi(env), spawnWorker(env)]);
  const pool = createPool(database.url, createLog("api", "silent"));
  const roles = ["checkout", "inventory", "operator"] as const;
  const wish = { name: "smoke", roles: [...roles], customer: null, expires_in_ms: null };
  ({ token } = await createApiKey(pool, wish));
  await pool.end();
  await untilStatus(api.url, token, (status) => status === 200);
}, 60_000);

afterAll(async () => {
  redis?.disconnect();
  await Promise.all([api?.kill(), worker?.kill()]);
  await Promise.all([server?.close(), database?.close()]);
});

async function smoke(env: Record<string, string>, ...args: string[]) {
  const child = spawn(join(REPO_DIR, "scripts/smoke"), args, {
    env: { PATH: process.env.PATH, HOLDFAST_TOKEN: token, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const said = { out: "", err: "" };
  child.stdout.on("data", (piece) => {
    said.out += piece;
  });
  child.stderr.on("data", (piece) => {
    said.err += piece;
  });
  const [code] = await once(child, "close");
  return { code, ...said };
}

type Answer = { status: number; headers: Headers; body: string };
type Asked = { method: string; path: string; headers: Headers };

/** Stands between smoke and the API, and changes what passes through. */
async function openLiar(lies: {
  request?: (asked: Asked) => void;
  answer?: (answer: Answer, asked: Asked) => void;
}) {
  const proxy = createServer((req, res) => {
    void (async () => {
      const pieces: Buffer[] = [];
      for await (const piece of req) pieces.push(piece);
      const headers = new Headers(Object.entries(req.headers).map(([k, v]) => [k, String(v)]));
      for (const name of ["host", "connection", "content-length"]) headers.delete(name);
      const asked = { method: req.method ?? "", path: req.url ?? "", headers };
      lies.request?.(asked);
      const body = Buffer.concat(pieces);
      const real = await fetch(api.url + asked.path, {
        ...{ method: asked.method, headers },
        ...(body.length > 0 ? { body } : {}),
      });
      const answer = { status: real.status, headers: new Headers(real.headers), body: "" };
      for (const name of ["connection", "keep-alive", "content-length", "transfer-encoding"]) {
        answer.headers.delete(name);
      }
      answer.body = await real.text();
      lies.answer?.(answer, asked);
      res.writeHead(answer.status, Object.fromEntries(answer.headers));
      res.end(answer.body);
    })();
  });
  const port = await freePort();
  proxy.listen(port, "127.0.0.1");
  await once(proxy, "listening");
  const close = async () => {
    proxy.closeAllConnections();
    proxy.close();
    await once(proxy, "close");
  };
  return { url: `http://127.0.0.1:${port}`, close };
}

test("it walks through all of /v1, and may do so twice at once", async () => {
  const runs = await Promise.all([
    smoke({ BASE_URL: api.url }),
    smoke({ BASE_URL: `${api.url}/`, STORE: "a-store-of-its-own" }),
  ]);
  for (const { code, out, err } of runs) {
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toMatch(/^ok +\d+ ms {2}the server runs, is ready and counts$/m);
    expect(out).toMatch(/^ok +\d+ ms {2}everything is put back$/m);
    expect(out).toMatch(/^All is well: 34 steps, \d{3} checks\n$/m);
  }
}, 180_000);

test("a sku that somebody sells has as much stock afterwards, time and again", async () => {
  await redis.set("stock:tea", 7);
  const seen = new Set<string | null>();
  const liar = await openLiar({
    request: ({ headers }) => seen.add(headers.get("authorization")),
  });
  for (let runs = 0; runs < 2; runs += 1) {
    const env = { BASE_URL: liar.url, SKU: "tea", STORE: "main", TOKEN: token };
    expect(await smoke(env)).toMatchObject({ code: 0, err: "" });
    expect(await redis.get("stock:tea")).toBe("7");
    expect(await redis.hget("item:tea", "held")).toBe("0");
  }
  await liar.close();
  // Every request brought the token.
  expect([...seen]).toEqual([`Bearer ${token}`]);
}, 400_000);

const isReserve = ({ method, path }: Asked) => method === "POST" && path === "/v1/reservations";
test.each<[string, Parameters<typeof openLiar>[0], string, string]>([
  [
    "is not ready",
    { answer: (answer, { path }) => void (path === "/ready" && Object.assign(answer, NOT_READY)) },
    "the server runs, is ready and counts",
    "expected  status 200\n  was       status 503",
  ],
  [
    "answers something that is no JSON",
    {
      answer: (answer, { path }) => void (path === "/v1/stores" && Object.assign(answer, NO_JSON)),
    },
    "stores are made, and listed",
    "expected  JSON\n  was       something else",
  ],
  [
    "forgets what it has answered",
    { request: ({ headers }) => headers.set("idempotency-key", `key-${Math.random()}`) },
    "a product is made with stock, once, and its stock goes to a store",
    "expected  status 202\n  was       status 409",
  ],
  [
    "knows no ETag",
    { request: ({ headers }) => headers.delete("if-none-match") },
    "availability: one sku, several, and 304 when nothing has changed",
    "expected  status 304\n  was       status 200",
  ],
  [
    "counts wrongly",
    {
      answer(answer, { path }) {
        if (path.includes("-tea&"))
          answer.body = answer.body.replace('"available":1,', '"available":2,');
      },
    },
    "a reservation of two lines takes both",
    "expected  .perStore[0].available is 1\n  was       .perStore[0].available is 2",
  ],
  [
    "leaves a line out of a refusal",
    {
      answer(answer, asked) {
        if (isReserve(asked) && answer.status === 409)
          answer.body = answer.body.replace(/,\{"sku":[^}]*\}\]/, "]");
      },
    },
    "a refusal names every line that is short, and takes nothing",
    "expected  lines that name ",
  ],
  [
    "calls its problems something else",
    {
      answer: ({ status, headers }) =>
        void (status >= 400 && headers.set("content-type", "application/json")),
    },
    "a product is made with stock, once, and its stock goes to a store",
    "expected  Content-Type: application/problem+json",
  ],
])(
  "it fails when the server %s",
  async (_, lies, step, words) => {
    const liar = await openLiar(lies);
    const { code, err } = await smoke({ BASE_URL: liar.url, HOLDFAST_TOKEN: token });
    await liar.close();
    expect(code).toBe(1);
    expect(err).toContain(`FAILED: ${step} (`);
    expect(err).toContain(words);
    expect(err).toMatch(/^ {2}asked {5}[A-Z]+ http:\S+$/m);
    expect(err).not.toContain(token);
  },
  60_000,
);
const NOT_READY = { status: 503, body: '{"status":"not ready"}' };
const NO_JSON = { body: "<html></html>" };

test("it fails when no worker gives back what has expired", async () => {
  await worker.kill();
  const { code, out, err } = await smoke({ BASE_URL: api.url, WAIT_SECONDS: "1" });
  expect(code).toBe(1);
  expect(out).toMatch(/cancelled its units are back\n$/);
  expect(err).toContain(
    "FAILED: left alone it expires after its second, and its units come back (",
  );
  expect(err).toContain("expected  status 200 and .perStore[0].available is 18, within 1 s");
  expect(err).toContain("was       status 200 and .perStore[0].available is 14");
}, 60_000);

test("it says so when nobody answers", async () => {
  const { code, err } = await smoke({ BASE_URL: `http://127.0.0.1:${await freePort()}` });
  expect(code).toBe(1);
  expect(err).toContain("expected  an answer\n  was       curl: (7) Failed to connect");
});

test("--help explains it, and anything else too, but as a mistake", async () => {
  const { code, out } = await smoke({}, "--help");
  expect(code).toBe(0);
  expect(out).toContain("  BASE_URL      where it is (http://localhost:8080)\n");
  expect(out).toMatch(/^Walks [\s\S]* deleted\.\n$/);
  expect(await smoke({}, "--fast")).toEqual({ code: 2, out, err: "" });
});
