import type { Redis } from "ioredis";
import { newEventId } from "../domain/ids.ts";
import { Rejection } from "../domain/rejection.ts";
import { type KeptRules, parseKeptRules, rulesText, type SaleRules } from "../domain/rules.ts";
import type { Batcher } from "./batcher.ts";
import { actorOf, type CallContext, commonRefusal, createSubmit } from "./deciding.ts";
import { fingerprintOf } from "./fingerprint.ts";
import type { Keys } from "./keys.ts";
import { CorruptKey, readKey } from "./outcome.ts";

export type Rules = ReturnType<typeof createRules>;

/** The rules of a sale, where they take effect. Throws as createInventory's functions do. */
export function createRules({
  batcher,
  redis,
  keys,
}: {
  batcher: Batcher;
  redis: Redis;
  keys: Keys;
}) {
  const submit = createSubmit(batcher);

  /**
   * Sets a sku's rules from now on, for every API process; null takes them away. All rules at once: one that
   * is not named does not limit any more.
   * @param change.if_version only when they are still at this version; 0 when there are none
   */
  async function changeRules(
    change: { sku: string; rules: SaleRules | null; if_version?: number | undefined },
    idempotency_key: string,
    context: CallContext,
  ): Promise<{ version: number; changed_at: number; replayed: boolean }> {
    const { sku, rules, if_version } = change;
    const text = rules ? rulesText(rules) : "";
    const event_id = newEventId();
    const tuple = await submit("change_rules", context, {
      keys: [keys.idem("rules", idempotency_key)],
      args: [
        event_id,
        context.request_id,
        fingerprintOf(["rules", sku, text, if_version ?? null]),
        actorOf(context),
        sku,
        if_version === undefined ? "" : String(if_version),
        text,
      ],
    });
    switch (tuple[0]) {
      case "CHANGED":
      case "REPLAYED":
        return {
          version: Number(tuple[2]),
          changed_at: Number(tuple[3]),
          replayed: tuple[1] !== event_id,
        };
      case "RULES_NOT_FOUND":
        throw new Rejection("RULES_NOT_FOUND", `There are no rules for ${sku}.`, { sku });
      case "VERSION_CONFLICT":
        throw new Rejection("VERSION_CONFLICT", `The rules are at version ${tuple[1]}.`, {
          sku,
          version: Number(tuple[1]),
        });
      default:
        throw commonRefusal(tuple);
    }
  }

  /** A sku's rules as they are in force; null when it has none. */
  async function readRules(sku: string): Promise<KeptRules | null> {
    const text = await readKey(keys.rules, "The rules could not be asked for.", () =>
      redis.hget(keys.rules, sku),
    );
    if (text === null) return null;
    const kept = parseKeptRules(text);
    if (!kept) throw new CorruptKey(keys.rules);
    return kept;
  }

  return { changeRules, readRules };
}
