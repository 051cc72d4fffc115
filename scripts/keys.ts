import "../src/node-version.ts";
import { userInfo } from "node:os";
import { newRequestId } from "../src/domain/ids.ts";
import { Rejection } from "../src/domain/rejection.ts";
import { createLog } from "../src/log.ts";
import {
  type ApiKey,
  createApiKey,
  listApiKeys,
  type NewApiKey,
  revokeApiKeys,
  rotateApiKey,
} from "../src/postgres/api-keys.ts";
import { createPool, type Pool } from "../src/postgres/client.ts";
import { inTransaction, type Transaction } from "../src/postgres/transaction.ts";
import { findDatabaseUrl } from "./database-url.ts";
import { type Command, type Options, readOptions, USAGE } from "./keys/options.ts";
import { reportAndExit } from "./say.ts";
import { formatTable } from "./table.ts";

// Talks to Postgres and not to the API: the first key must come from somewhere.
async function main({ command, as_json }: Options): Promise<void> {
  const pool = createPool(findDatabaseUrl(), createLog("api", "silent"));
  try {
    await carryOut(pool, command, as_json);
  } finally {
    await pool.end();
  }
}

async function carryOut(pool: Pool, command: Command, as_json: boolean): Promise<void> {
  const by = { who: `cli:${osUser()}`, request_id: newRequestId() };
  const change = <T>(work: (to: Transaction) => Promise<T>) => inTransaction(pool, work);
  switch (command.verb) {
    case "create":
      tellNew(await change((to) => createApiKey(to, command, by)), as_json);
      break;
    case "rotate":
      tellNew(await change((to) => rotateApiKey(to, command, command.overlap_ms, by)), as_json);
      break;
    case "list":
      tellAll(await listApiKeys(pool), as_json);
      break;
    case "revoke": {
      const revoked = (await change((to) => revokeApiKeys(to, command, by))).length;
      tell(as_json ? jsonOf({ revoked }) : `revoked: ${revoked}\n`);
    }
  }
}

// In a container there may be no name for the user.
function osUser(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid-${process.getuid?.()}`;
  }
}

// The key stands alone on stdout, so that a shell can take it as it is.
function tellNew({ key, token }: NewApiKey, as_json: boolean): void {
  const ends = timeOf(key.expires_at) ?? "never";
  const about = `${key.name} (${key.roles.join(", ")}) ends: ${ends}. Nobody can read this again:\n`;
  if (!as_json) process.stderr.write(about);
  tell(as_json ? jsonOf({ ...key, token }) : `${token}\n`);
}

function tellAll(keys: ApiKey[], as_json: boolean): void {
  tell(as_json ? jsonOf(keys) : formatTable(COLUMNS, keys.map(rowOf)));
}

const COLUMNS = ["name", "key_id", "roles", "customer", "created_at", "ends", "state"];

const rowOf = (key: ApiKey) => [
  key.name,
  key.key_id,
  key.roles.join(" "),
  key.customer,
  timeOf(key.created_at),
  timeOf(key.revoked_at ?? key.expires_at),
  stateOf(key),
];

function stateOf({ revoked_at, expires_at, replaced_at }: ApiKey): string {
  if (revoked_at) return "revoked";
  if (expires_at && expires_at.getTime() <= Date.now()) return "expired";
  return replaced_at ? "replaced" : "live";
}

const timeOf = (time: Date | null) => time?.toISOString() ?? null;
const jsonOf = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
const tell = (text: string) => {
  process.stdout.write(text);
};

async function start(args: string[]): Promise<void> {
  const options = readOptions(args);
  if (options !== undefined) return main(options);
  tell(USAGE);
}

start(process.argv.slice(2)).catch((error: unknown) =>
  reportAndExit(error instanceof Rejection ? new Error(error.detail) : error, USAGE),
);
