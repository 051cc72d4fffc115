import type { Command } from "commander";
import type { Calls, Client } from "../../src/client/client.ts";
import { HoldfastProblem } from "../../src/client/client.ts";
import { confirm } from "./confirm.ts";
import { contextOf, withKey } from "./context.ts";

type Rules = Calls["GET /v1/rules/{sku}"]["answer"];

/** `sale show|pause|resume`: the rest of a sale's rules stays as it is. */
export function addSale(program: Command): void {
  const sale = program.command("sale").description("the rules of a sku's sale, and stopping it");

  sale
    .command("show")
    .description("the rules that are in force")
    .argument("<sku>")
    .action(async (sku: string, _: object, command: Command) => {
      const { client, tell } = contextOf(command);
      const rules = await read(client, sku);
      tell(rules ?? { sku }, () => wordsOf(sku, rules));
    });

  for (const [name, paused] of [
    ["pause", true],
    ["resume", false],
  ] as const) {
    withKey(sale.command(name))
      .description(
        paused ? "nobody takes any from now on; what is held may be confirmed" : "let it go on",
      )
      .argument("<sku>")
      .action(async (sku: string, { key }: { key?: string }, command: Command) => {
        const context = contextOf(command);
        await confirm(context, paused ? `Nobody can buy ${sku} then.` : `${sku} is sold again.`);
        const rules = await setPaused(context.client, sku, paused, key);
        context.tell(rules ?? { sku }, () => wordsOf(sku, rules));
      });
  }
}

async function setPaused(
  client: Client,
  sku: string,
  paused: boolean,
  idempotencyKey: string | undefined,
): Promise<Rules | null> {
  const before = await read(client, sku);
  // Asked again, maybe with the key of a time whose answer was lost: there is nothing to do.
  if ((before?.paused ?? false) === paused) return before;
  // Version 0: only while there are none.
  const { sku: _, version: ifVersion, paused: __, ...others } = before ?? { sku, version: 0 };
  const options = { idempotencyKey, ifVersion };
  const wanted = paused ? { ...others, paused } : others;
  if (Object.keys(wanted).length > 0) {
    const { version } = await client.rules.set(sku, wanted, options);
    return { sku, ...wanted, version };
  }
  if (before) await client.rules.delete(sku, options);
  return null;
}

/** Null when there are none. */
async function read(client: Client, sku: string): Promise<Rules | null> {
  return client.rules.get(sku).catch((error: unknown) => {
    if (error instanceof HoldfastProblem && error.code === "RULES_NOT_FOUND") return null;
    throw error;
  });
}

function wordsOf(sku: string, rules: Rules | null): string {
  const { sku: _, version, paused, ...others } = rules ?? { sku, version: 0 };
  const facts = Object.entries(others).map(([name, value]) => `  ${name}: ${value}\n`);
  return `${sku} is ${paused ? "paused" : "not paused"}\n${facts.join("")}`;
}
