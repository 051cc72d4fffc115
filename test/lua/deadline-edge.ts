import { until } from "../../scripts/until.ts";
import { type HoldSpec, keys, newHold, type Request, type ScriptSide } from "./script-side.ts";

const HOLDS = 1_500;

/**
 * Ends, in one call, holds whose deadlines lie at every millisecond around the moment of that call, and
 * returns that moment and each hold's outcome word. Redis's clock can't be stopped, but all requests of a
 * batch are decided at one reading of it.
 */
export async function endAroundDeadline(
  side: ScriptSide,
  script: "confirm_holds" | "cancel_holds" | "expire_holds" | "extend_holds",
  request: (hold: HoldSpec) => Request,
) {
  return until("a call amid the deadlines", async () => {
    const first = (await side.now()) - 10;
    const holds = Array.from({ length: HOLDS }, (_, i) => ({
      hold_id: newHold(),
      expires_at: first + i,
      lines: [{ sku: "phone", quantity: 1 }],
    }));
    await side.redis.mset("stock:phone", "0", keys.seq, "0");
    await side.redis.hset("item:phone", { held: String(HOLDS), version: "1" });
    const pipeline = side.redis.pipeline();
    for (const { hold_id, expires_at } of holds) {
      pipeline.hset(keys.hold(hold_id), {
        status: "ACTIVE",
        lines: "phone@main=1",
        user_id: "user-1",
        created_at: String(first - 1_000),
        expires_at: String(expires_at),
        version: "1",
      });
      pipeline.zadd(keys.deadlines, expires_at, hold_id);
    }
    await pipeline.exec();
    const { now, tuples } = await side.call(script, ...holds.map(request));
    if (first + HOLDS <= now + 1) return undefined;
    const answers = holds.map(({ expires_at }, i) => ({ expires_at, word: tuples[i]?.[0] }));
    return { now, answers };
  });
}

const DEADLINES = 2_000;

/**
 * Asks, in one call, requests that are late from every millisecond around that call on, and returns its
 * moment and each request's outcome word. Asked again when the machine stood still until all of them were
 * late: so they must leave everything as it is.
 */
export async function askAroundDeadlines(
  side: ScriptSide,
  ask: (deadlines: number[]) => ReturnType<ScriptSide["call"]>,
) {
  return until("a call amid its requests' deadlines", async () => {
    const first = (await side.now()) - 5;
    const deadlines = Array.from({ length: DEADLINES }, (_, i) => first + i);
    const { now, tuples } = await ask(deadlines);
    if (![now - 1, now, now + 1].every((at) => deadlines.includes(at))) return undefined;
    return { now, answers: deadlines.map((deadline, i) => ({ deadline, word: tuples[i]?.[0] })) };
  });
}
