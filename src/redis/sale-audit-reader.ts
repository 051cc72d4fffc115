import type { Redis } from "ioredis";
import {
  rulesSaid,
  type SaleDrift,
  type SaleName,
  saleNameOf,
  waiterSaid,
} from "../domain/sale-audit.ts";
import { inSteps, readAtSeq, wholeIn } from "./audit-steps.ts";
import { PLACE_FIELD } from "./counts.ts";
import type { Keys } from "./keys.ts";
import { isReply } from "./outcome.ts";

/** Fields of one step through a hash; a small one comes all at once. */
const SCAN_COUNT = 100;
const UNREADABLE = "unreadable";
const TEXT_MAX = 500;

/** What Redis said of some names, in their order, before it was at `seq`. */
export type SaidOfSales = {
  seq: number;
  redis_generation: number;
  /** Up to which place customers' bases were among the counts; null when that can't be read. */
  place: number | null;
  said: (string | null)[];
};

export type SaleAuditReader = ReturnType<typeof createSaleAuditReader>;

/** Reads for the audit what limits sales, without scripts: those are an admission's. */
export function createSaleAuditReader(redis: Redis, keys: Keys, default_store: string) {
  /** All that Redis has, a step at a time. What is there all the while is named once at least. */
  async function* names(): AsyncGenerator<SaleName[]> {
    for await (const skus of fieldsOf(keys.rules)) {
      yield skus.map(([sku]) => saleNameOf("RULES", { sku: kept(sku) }));
    }
    for await (const fields of fieldsOf(keys.customers)) {
      yield fields.flatMap(([field]) => customerNames("CUSTOMER_COUNT", field));
    }
    for await (const fields of fieldsOf(keys.own_holds)) {
      yield fields.flatMap(([field]) => customerNames("OWN_HOLD", field));
    }
    for await (const stocks of fieldsOf(keys.waiting)) {
      yield stocks.map(([stock]) => saleNameOf("QUEUE", stockIn(stock)));
      for (const [stock] of stocks) yield* waitersOf(stock);
    }
  }

  async function* waitersOf(stock: string): AsyncGenerator<SaleName[]> {
    for await (const places of fieldsOf(keys.places(stock))) {
      yield places.map(([user_id, waiter_id]) =>
        saleNameOf("WAITER", { ...stockIn(stock), user_id, waiter_id }),
      );
    }
  }

  async function* fieldsOf(key: string): AsyncGenerator<[field: string, value: string][]> {
    let cursor = "0";
    do {
      const [next, flat] = await scan(key, cursor);
      const pairs: [string, string][] = [];
      for (let i = 0; i + 1 < flat.length; i += 2) pairs.push([flat[i] ?? "", flat[i + 1] ?? ""]);
      if (pairs.length > 0) yield pairs;
      cursor = next;
    } while (cursor !== "0");
  }

  // What is no hash names nothing: it is found by what the ledger names.
  const scan = (key: string, cursor: string) =>
    redis.hscan(key, cursor, "COUNT", SCAN_COUNT).catch((error: unknown) => {
      if (isReply(error, "WRONGTYPE")) return ["0", []] as [string, string[]];
      throw error;
    });

  function stockIn(name: string) {
    const [sku = "", store_id = default_store] = kept(name).split("@");
    return { sku, store_id };
  }

  /**
   * The seq is read behind all the rest, so no event that this comes from has a higher one. Null while Redis
   * is not admitted, or when it was admitted anew meanwhile.
   * @param of all of this kind
   */
  async function read(kind: SaleDrift, of: SaleName[]): Promise<SaidOfSales | null> {
    const seen = await readAtSeq(redis, keys, () => readSaid(kind, of));
    if (!seen) return null;
    const { found, ...at } = seen;
    return { ...at, ...found };
  }

  async function readSaid(kind: SaleDrift, of: SaleName[]) {
    const fields = of.map(({ sku, user_id }) => `${sku} ${user_id}`);
    switch (kind) {
      case "RULES": {
        const texts = await fieldsAt(
          keys.rules,
          of.map(({ sku }) => sku),
        );
        return { place: 0, said: texts.map(rulesSaid) };
      }
      case "CUSTOMER_COUNT": {
        // In one command: the bases up to this place, and no others, are among these counts.
        const [place = null, ...counts] = await fieldsAt(keys.customers, [PLACE_FIELD, ...fields]);
        return {
          place: wholeIn(place),
          said: counts.map((text) => (text === "0 0" ? null : text)),
        };
      }
      case "OWN_HOLD":
        return { place: 0, said: await fieldsAt(keys.own_holds, fields) };
      case "QUEUE":
        return { place: 0, said: await inSteps(of, readQueues) };
      case "WAITER":
        return { place: 0, said: await inSteps(of, readWaiters) };
    }
  }

  const fieldsAt = (key: string, fields: string[]): Promise<(string | null)[]> =>
    redis.hmget(key, ...fields).then(
      (texts) => texts.map((text) => text && kept(text)),
      (error: unknown) => {
        if (isReply(error, "WRONGTYPE")) return fields.map(() => UNREADABLE);
        throw error;
      },
    );

  // Nothing is said of one whose three numbers are alike.
  async function readQueues(of: SaleName[]): Promise<(string | null)[]> {
    const step = redis.multi();
    for (const stock of of.map(nameOfStock)) {
      step.hget(keys.waiting, stock).zcard(keys.queue(stock)).hlen(keys.places(stock));
    }
    const replies = textsOf(await step.exec());
    return of.map((_, i) => {
      const [counted, queued, placed] = replies.slice(3 * i, 3 * i + 3);
      const is_alike = (counted ?? "0") === queued && queued === placed;
      return is_alike ? null : `${counted ?? 0} counted, ${queued} in the queue, ${placed} places`;
    });
  }

  async function readWaiters(of: SaleName[]): Promise<(string | null)[]> {
    const step = redis.multi();
    for (const name of of) {
      const stock = nameOfStock(name);
      step.hget(keys.places(stock), name.user_id).zscore(keys.queue(stock), name.waiter_id);
    }
    const replies = textsOf(await step.exec());
    return of.map(({ waiter_id }, i) => {
      const [place, score] = replies.slice(2 * i, 2 * i + 2);
      if (place === waiter_id && score != null) return waiterSaid(waiter_id, score);
      if (score != null) return `${waiterSaid(waiter_id, score)}, without a place`;
      return place === waiter_id ? `${waiter_id} has a place, and is not in the queue` : null;
    });
  }

  const nameOfStock = ({ sku, store_id }: SaleName) => keys.stockName(sku, store_id);

  return { names, read };
}

// No sku has a space in it; where there is none it is no customer's field, but the place.
function customerNames(kind: "CUSTOMER_COUNT" | "OWN_HOLD", field: string): SaleName[] {
  const space = field.indexOf(" ");
  if (space < 0 || kept(field) !== field) return [];
  return [saleNameOf(kind, { sku: field.slice(0, space), user_id: field.slice(space + 1) })];
}

/** As Postgres can have it, also in an index. No name or text of ours is so long, or has such a character. */
const kept = (text: string) => text.replaceAll("\0", "\uFFFD").slice(0, TEXT_MAX);

function textsOf(
  replies: [error: Error | null, result: unknown][] | null,
): (string | null | undefined)[] {
  return (replies ?? []).map(([error, result]) => {
    if (error && isReply(error, "WRONGTYPE")) return UNREADABLE;
    if (error) throw error;
    return result === null || result === undefined ? null : String(result);
  });
}
