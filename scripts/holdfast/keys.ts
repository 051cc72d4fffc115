import type { Calls, Client } from "../../src/client/client.ts";
import { type Command, readOptions } from "../keys/options.ts";
import { formatTable } from "../table.ts";
import type { Context } from "./context.ts";
import { CommandFailure, failureOf, refused } from "./failure.ts";
import { relative } from "./output.ts";

type Key = Calls["GET /v1/keys"]["answer"]["items"][number];
type Made = Calls["POST /v1/keys"]["answer"];

/**
 * `keys` by /v1/keys, for whoever has no way to Postgres but the token of an operator. The line is that of
 * `npm run keys`.
 * @throws BadOption
 */
export async function keysByApi(context: Context, args: string[]): Promise<void> {
  const options = readOptions(args);
  if (!options) return;
  await carryOut(context, options.command).catch((error: unknown) => {
    const failure = failureOf(error);
    if (failure.code !== "OUTCOME_UNKNOWN") throw error;
    // There is no --key here: the list tells what was done.
    const advice = `What there is now: ${commandOf(context, "list")}`;
    throw new CommandFailure({ ...failure, advice, members: undefined });
  });
}

const commandOf = ({ url }: Context, rest: string) => `npx holdfast keys ${rest} --url ${url}`;

async function carryOut(context: Context, command: Command): Promise<void> {
  const { client, tell } = context;
  switch (command.verb) {
    case "create": {
      const { name, roles, customer, expires_in_ms } = command;
      const { body } = await client.request<Made>("POST", "/v1/keys", {
        body: {
          ...{ name, roles, customerId: customer ?? undefined },
          expiresInSeconds: expires_in_ms === null ? undefined : expires_in_ms / 1_000,
        },
      });
      return tellMade(context, body);
    }
    case "rotate": {
      const [key] = await liveOf(client, command.name);
      if (!key) throw nobody(command.name);
      const { body } = await client.request<Made>("POST", `/v1/keys/${key.keyId}:rotate`, {
        body: { overlapSeconds: command.overlap_ms / 1_000 },
      });
      return tellMade(context, body);
    }
    case "list": {
      const items = await listed(client);
      return tell(items, () => tableOf(items));
    }
    case "revoke": {
      const keys = await liveOf(client, command.name, "WITH_REPLACED");
      if (keys.length === 0) throw nobody(command.name);
      for (const { keyId } of keys) await client.request("DELETE", `/v1/keys/${keyId}`);
      return tell({ revoked: keys.length }, () => `revoked: ${keys.length}\n`);
    }
  }
}

const nobody = (name: string) =>
  refused(
    "NOT_FOUND",
    `among the newest 1,000 keys is no live one named ${name}`,
    "npm run keys, beside Postgres, knows them all.",
  );

async function listed({ request }: Client): Promise<Key[]> {
  return (await request<Calls["GET /v1/keys"]["answer"]>("GET", "/v1/keys")).body.items;
}

async function liveOf(client: Client, name: string, which?: "WITH_REPLACED"): Promise<Key[]> {
  const keys = await listed(client);
  return keys.filter(
    (key) =>
      key.name === name &&
      key.revokedAt === null &&
      !(key.expiresAt !== null && Date.parse(key.expiresAt) <= Date.now()) &&
      (which === "WITH_REPLACED" || key.replacedAt === null),
  );
}

// The key stands alone on stdout, so that a shell can take it as it is.
function tellMade(context: Context, made: Made): void {
  const { name, roles, expiresAt, key } = made;
  // The client has asked again, and nobody tells a key twice.
  if (key === null) {
    throw refused(
      "KEY_LOST",
      `${name} was made, but the answer with its key was lost`,
      `To get another in its place: ${commandOf(context, `rotate ${name} --overlap 0s`)}`,
    );
  }
  context.tell(made, () => {
    const ends = expiresAt ?? "never";
    process.stderr.write(
      `${name} (${roles.join(", ")}) ends: ${ends}. Nobody can read this again:\n`,
    );
    return `${key}\n`;
  });
}

function tableOf(keys: Key[]): string {
  const rows = keys.map((key) => [
    ...[key.name, key.keyId, key.roles.join(" "), key.customerId, relative(key.createdAt)],
    relative(key.revokedAt ?? key.expiresAt),
    key.revokedAt ? "revoked" : key.replacedAt ? "replaced" : "live",
  ]);
  return formatTable(["name", "key_id", "roles", "customer", "made", "ends", "state"], rows);
}
