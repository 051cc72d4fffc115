import { z } from "zod";
import { until } from "../../scripts/until.ts";
import { createClient, isProblem } from "../../src/client/client.ts";

// So long that a process may die in the middle, and come back.
const PATIENCE = { timeoutMs: 90_000, tryTimeoutMs: 90_000, tries: 1_000 };

// Of whatever is answered, what the script looks at. /v1 spells some of it otherwise.
const answerShape = z.looseObject({
  code: z.string().optional(),
  hold_id: z.string().optional(),
  reservationId: z.string().optional(),
  waiterId: z.string().optional(),
  payment_id: z.string().optional(),
  order_id: z.string().optional(),
  status: z.unknown().optional(),
  expires_at: z.iso.datetime().optional(),
});
export type Answer = { status: number; body: z.infer<typeof answerShape> };
export type Checkout = ReturnType<typeof createCheckout>;

/** What a shop asks of the API, and what it is told: a refusal is an answer, too. */
export function createCheckout(url: string) {
  const { request } = createClient({ url, ...PATIENCE });

  async function call(
    method: Parameters<typeof request>[0],
    path: string,
    body?: object,
    idempotencyKey?: string,
  ): Promise<Answer> {
    try {
      const { status, body: told } = await request(method, path, { body, idempotencyKey });
      return { status, body: answerShape.parse(told) };
    } catch (error) {
      if (!isProblem(error)) throw error;
      const { status, code, members } = error;
      return { status, body: answerShape.parse({ ...members, code }) };
    }
  }

  const post = (path: string, body: object, key?: string) => call("POST", path, body, key);
  const mustPass = async (answering: Promise<Answer>) => {
    const answer = await answering;
    if (answer.status >= 300) throw unexpected(answer);
    return answer;
  };
  const get = (path: string) => call("GET", path);

  const reserve = (sku: string, user_id: string, qty = 1, more: object = {}, key?: string) =>
    post("/holds/reserve", { sku, qty, user_id, ...more }, key);
  const pay = (hold_id: string, payment_ref: string, more: object = {}) =>
    post("/holds/confirm", { hold_id, payment_ref, ...more });

  /** Waits until a resource has this status, and returns it. */
  async function untilIs(path: string, status: string): Promise<Answer["body"]> {
    return until(`${path} is ${status}`, async () => {
      const { body } = await get(path);
      return body.status === status ? body : undefined;
    });
  }

  return {
    call,
    post,
    get,
    untilIs,
    setRules: (sku: string, rules: object) => mustPass(call("PUT", `/v1/rules/${sku}`, rules)),
    restock: (sku: string, delta: number) =>
      mustPass(post("/v1/adjustments", { sku, delta, reason: "receipt" })),
    reserve,
    /** The hold's id of a reserve that must be granted. */
    hold: async (...asked: Parameters<typeof reserve>) => idIn(await reserve(...asked)),
    pay,
    /** The order's id of a payment that must be taken. */
    buy: async (...asked: Parameters<typeof pay>) => {
      const answer = await pay(...asked);
      if (answer.body.order_id === undefined) throw unexpected(answer);
      return answer.body.order_id;
    },
    /** Such a payment has moved money, whatever the hold has come to. */
    payLate: (hold_id: string, payment_ref: string) =>
      pay(hold_id, payment_ref, { on_expired: "reacquire" }),
    cancel: (hold_id: string) => post("/holds/cancel", { hold_id }),
    extend: (hold_id: string, ttl_seconds: number) =>
      post("/holds/extend", { hold_id, ttl_seconds }),
    takeBack: (order_id: string, sku: string, qty: number, restock: boolean) =>
      post(`/v1/orders/${order_id}:return`, {
        lines: [{ sku, qty }],
        restock,
        reason: "too small",
      }),
    /** The waiter's id of a customer who must be let into the queue. */
    join: async (sku: string, customerId: string, offerSeconds = 600) => {
      const answer = await post("/v1/waitlist", { sku, qty: 1, customerId, offerSeconds });
      if (answer.body.waiterId === undefined) throw unexpected(answer);
      return answer.body.waiterId;
    },
    untilExpired: (hold_id: string) => untilIs(`/holds/${hold_id}`, "EXPIRED"),
    /** Waits until somebody in a queue is offered a hold, and returns its id. */
    untilOffered: async (waiter_id: string) => {
      const { reservationId } = await untilIs(`/v1/waitlist/${waiter_id}`, "OFFERED");
      return reservationId ?? "";
    },
  };
}

function idIn(answer: Answer): string {
  if (answer.body.hold_id === undefined) throw unexpected(answer);
  return answer.body.hold_id;
}

const unexpected = ({ status, body }: Answer) => new Error(`${status} ${JSON.stringify(body)}`);
