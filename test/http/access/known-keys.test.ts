import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { until } from "../../../scripts/until.ts";
import { createKnownKeys } from "../../../src/http/access/known-keys.ts";
import { createLog } from "../../../src/log.ts";
import { createPool, type Pool } from "../../../src/postgres/client.ts";
import { createApiKey } from "../../postgres/keys.ts";
import { freshDatabase } from "../../setup/stack.ts";

const log = createLog("api", "silent");
let database: Awaited<ReturnType<typeof freshDatabase>>;
let pool: Pool;
beforeAll(async () => {
  database = await freshDatabase();
  pool = createPool(database.url, log);
});
afterAll(async () => {
  await pool.end();
  await database.close();
});

/** A key that was seen alive, and has so long to live; longer, when this machine is too slow for that. */
async function dyingKey(
  expires_in_ms: number,
): Promise<[ReturnType<typeof createKnownKeys>, string]> {
  const name = `dies-in-${expires_in_ms}`;
  const { token } = await createApiKey(pool, {
    ...{ name, roles: ["viewer"], customer: null },
    expires_in_ms,
  });
  const keys = createKnownKeys({ pool, log });
  await keys.start();
  if (keys.callerOf(token)) return [keys, token];
  keys.stop();
  return dyingKey(2 * expires_in_ms);
}

test("a key is over when it expires, though nothing has changed in the database", async () => {
  const [keys, token] = await dyingKey(1_000);
  await until("it is over", () => keys.callerOf(token) === null || undefined);
  await until("it is forgotten", () => keys.count() === 0 || undefined);
  keys.stop();
});

test("a clock that was ahead for a while shuts nobody out for good", async () => {
  const { token } = await createApiKey(pool, {
    ...{ name: "outlives", roles: ["viewer"], customer: null },
    expires_in_ms: 600_000,
  });
  let asked = 0;
  const countAsked = () => {
    asked += 1;
  };
  const keys = createKnownKeys({ pool, log });
  await keys.start();
  pool.on("acquire", countAsked);
  const clock = Date.now;
  try {
    Date.now = () => clock() + 3_600_000;
    expect(keys.callerOf(token)).toBeNull();
    const before = asked;
    await until("it has looked", () => asked >= before + 2 || undefined);
  } finally {
    Date.now = clock;
    pool.off("acquire", countAsked);
    keys.stop();
  }
  expect(keys.callerOf(token)).toMatchObject({ name: "outlives" });
});

test("a caller is what its key says", async () => {
  const { token } = await createApiKey(pool, {
    ...{ name: "web-shop", roles: ["checkout"], customer: "ada" },
    expires_in_ms: null,
  });
  const keys = createKnownKeys({ pool, log });
  expect(() => keys.callerOf(token)).toThrow("could not be read yet");
  await keys.start();
  keys.stop();
  expect(keys.callerOf(token)).toEqual({
    name: "web-shop",
    roles: ["checkout"],
    customer: "ada",
    scope: "keys/web-shop/",
  });
});
