import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Redis } from "ioredis";
import { post } from "../setup/api.ts";

const RETRY_MS = 50;
const PATIENCE_MS = 30_000;
const BETWEEN_PURCHASES_MS = 20;

type Answer = Awaited<ReturnType<typeof post>>;
/** What the API told its clients of a hold: the last answer counts. */
export type Told = Map<
  string,
  { status: "ACTIVE" | "CONFIRMED" | "CANCELLED"; order_id?: unknown }
>;

/**
 * Asks as a checkout does: a connection that fails, 503 and 504 are asked again with the same key, until
 * there is an answer that says what happened.
 */
export async function ask(
  url: string,
  body: unknown,
  key: string,
  onRetry: (answer: Answer | null) => void = () => {},
) {
  const give_up_at = Date.now() + PATIENCE_MS;
  for (;;) {
    const answer: Answer | null = await post(url, body, { "Idempotency-Key": key }).catch(
      () => null,
    );
    if (answer && answer.status !== 503 && answer.status !== 504) return answer;
    if (Date.now() > give_up_at) throw new Error(`${url}: no answer, at last ${answer?.status}`);
    onRetry(answer);
    await sleep(RETRY_MS);
  }
}

/** Clients that reserve, and then confirm, cancel or leave, one purchase after the other until `stop`. */
export function startTraffic({
  url,
  sku,
  clients = 8,
}: {
  url: string;
  sku: string;
  clients?: number;
}) {
  const told: Told = new Map();
  const counts = { RESERVED: 0, CONFIRMED: 0, CANCELLED: 0, RETRIED: 0 };
  const odd: Answer[] = [];
  const sent_away_for = new Set<unknown>();
  let going = true;

  const call = (path: string, body: unknown) =>
    ask(`${url}${path}`, body, randomUUID(), (answer) => {
      counts.RETRIED += 1;
      sent_away_for.add(answer ? answer.body.code : "no answer");
    });

  async function purchase(turn: number) {
    const reserved = await call("/holds/reserve", { sku, qty: 1, user_id: "ann" });
    if (reserved.status !== 201) {
      odd.push(reserved);
      return;
    }
    counts.RESERVED += 1;
    const hold_id = String(reserved.body.hold_id);
    told.set(hold_id, { status: "ACTIVE" });
    if (turn % 4 === 3) return;
    const sells = turn % 4 < 2;
    const ended = sells
      ? await call("/holds/confirm", { hold_id, payment_ref: "pay" })
      : await call("/holds/cancel", { hold_id });
    if (ended.status !== 200) {
      odd.push(ended);
      return;
    }
    const status = sells ? "CONFIRMED" : "CANCELLED";
    counts[status] += 1;
    told.set(hold_id, { status, ...(sells ? { order_id: ended.body.order_id } : {}) });
  }

  async function client(turn: number) {
    for (let i = turn; going; i += 1) {
      await purchase(i);
      await sleep(BETWEEN_PURCHASES_MS);
    }
  }

  const ended = Promise.all(Array.from({ length: clients }, (_, turn) => client(turn)));
  return {
    told,
    counts,
    /** Answers that this traffic can't account for: there should be none. */
    odd,
    /** The codes of what had to be asked again. */
    sent_away_for,
    /** Lets every client finish its purchase. */
    stop: async () => {
      going = false;
      await ended;
    },
  };
}

/** What clients were told and Redis does not know: a sentence each. */
export async function brokenPromises(redis: Redis, told: Told): Promise<string[]> {
  const broken: string[] = [];
  for (const [hold_id, { status, order_id }] of told) {
    const hash = await redis.hgetall(`hold:${hold_id}`);
    if (hash.status !== status) broken.push(`${hold_id}: told ${status}, is ${hash.status}`);
    if (hash.order_id !== order_id)
      broken.push(`${hold_id}: told ${order_id}, is ${hash.order_id}`);
  }
  return broken;
}
