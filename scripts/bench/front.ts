import "../../src/node-version.ts";
import type { Request, Response } from "express";
import { z } from "zod";
import { readConfig } from "../../src/config.ts";
import { newHoldId } from "../../src/domain/ids.ts";
import { createHealth } from "../../src/health.ts";
import { answer } from "../../src/http/answer.ts";
import { createApp } from "../../src/http/app.ts";
import { readJson } from "../../src/http/body.ts";
import { createLagReader } from "../../src/http/lag.ts";
import { messageClassesOf } from "../../src/http/message-classes.ts";
import { type RouteSpec, rawRoute } from "../../src/http/route.ts";
import { answerSafely } from "../../src/http/safe-answers.ts";
import { createHttpServer, drain } from "../../src/http/server.ts";
import { listenWidely } from "../../src/listen.ts";
import { createPool } from "../../src/postgres/client.ts";
import { createLedger } from "../../src/postgres/ledger.ts";
import type { Batcher } from "../../src/redis/batcher.ts";
import { createInventory } from "../../src/redis/inventory.ts";
import { exitWithReason, stopOnSignals } from "../../src/shutdown.ts";
import { type DecidingSide, openDecidingSide, STORE } from "./deciding-side.ts";
import { createPostgresInventory } from "./postgres-inventory.ts";

// What the benchmark compares with: the API's own app with something else behind its routes.
//   NOOP        a further route that reads the body and answers a constant
//   ONE_BY_ONE  reserves by the same script, called once per request
//   POSTGRES    reserves by one SQL statement
async function main(kind: string | undefined) {
  const config = readConfig();
  const side = await openDecidingSide(config.REDIS_URL);
  const pool = createPool(config.DATABASE_URL, side.log);
  const app = createApp({
    ...side,
    low_stock_units: 0,
    inventory: await inventoryOf(kind, side, config.DATABASE_URL),
    ledger: createLedger(pool),
    pool,
    readLag: createLagReader(() => Promise.resolve({ seconds: 0 }), pool),
    lastSeq: () => Promise.resolve(0),
    untilRecorded: () => Promise.resolve(false),
    isAdmitted: () => Promise.resolve(true),
    health: createHealth({}),
    access: null,
    default_store: STORE,
    request_budget_ms: config.REQUEST_BUDGET_MS,
    more_routes: [rawRoute(NOOP, answerConstant)],
  });
  const server = createHttpServer(answerSafely(app, { cors_origins: [] }), {
    classes: messageClassesOf(app),
  });
  const listeners = await listenWidely(server, {
    port: config.PORT,
    host: config.HOST,
    variable: "PORT",
  });
  stopOnSignals(side.log, [() => drain(server, listeners), side.stop, () => pool.end()]);
}

const NOOP: RouteSpec = {
  method: "POST",
  path: "/noop",
  tag: "Benchmark",
  roles: "PUBLIC",
  summary: "Reads the body and answers a constant",
  answers: { 201: { description: "A constant.", body: z.object({}) } },
};

async function inventoryOf(kind: string | undefined, side: DecidingSide, database_url: string) {
  switch (kind) {
    case "NOOP":
      return side.inventory;
    case "ONE_BY_ONE":
      return createInventory({ ...side, batcher: batchesOfOne(side) });
    case "POSTGRES":
      return { ...side.inventory, ...(await createPostgresInventory(database_url)) };
    default:
      throw new Error(`NOOP, ONE_BY_ONE or POSTGRES, not ${kind}`);
  }
}

const CONSTANT = {
  hold_id: newHoldId(),
  status: "ACTIVE",
  sku: "sku-0000000",
  qty: 1,
  user_id: "user-00000001",
  expires_at: new Date().toISOString(),
};

async function answerConstant(req: Request, res: Response) {
  await readJson(req);
  answer(res, 201, CONSTANT);
}

/** In place of the batcher: every request is a call of its own, with any number of them in flight. */
function batchesOfOne({ scripts, keys, clock }: DecidingSide): Batcher {
  return {
    async submit(script, { keys: own_keys, args }, deadline) {
      const all_keys = [...keys.shared, ...own_keys];
      const redis_deadline = String(Math.floor(clock.fromLocal(deadline)));
      const reply = await scripts.call(script, all_keys, ["1", redis_deadline, ...args]);
      return (reply as [number, [[string, ...unknown[]]]])[1][0]; // what every script replies
    },
    refusal: () => null,
    stop: () => {},
  };
}

main(process.argv[2]).catch(exitWithReason);
