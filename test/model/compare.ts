import { expect } from "@jest/globals";
import { compareEvents } from "./compare-events.ts";
import { expectedKeys } from "./expected-keys.ts";
import type { Model, ModelHold } from "./model.ts";
import type { Real } from "./real.ts";

/** Compares every key and every event with the model. */
export async function compareAll(model: Model, real: Real) {
  await compareEvents(model, real);
  const { redis, keys } = real;
  const expected = expectedKeys(model);
  const names = (await real.names()).sort();
  const others = [
    ...(model.events.length > 0 ? [keys.seq, keys.stream] : []),
    ...(active(model).length > 0 ? [keys.deadlines] : []),
  ];
  expect(names).toEqual([...expected.keys(), ...others].sort());

  const asked = redis.pipeline();
  for (const [name, { read }] of expected) {
    if (read === "zrange") asked.zrange(name, "0", "-1");
    else asked[read](name);
    asked.pexpiretime(name);
  }
  asked.zrange(keys.deadlines, "0", "-1", "WITHSCORES");
  const replies = ((await asked.exec()) ?? []).map(([error, reply]) => error ?? reply);
  const found = [...expected].map(([name, { read }], i) => {
    return [name, { read, value: replies[2 * i], expires_at: replies[2 * i + 1] }];
  });
  expect(Object.fromEntries(found)).toEqual(Object.fromEntries(expected));
  compareDeadlines(model, replies.at(-1));
}

const active = (model: Model): ModelHold[] =>
  [...model.holds.values()].filter(({ status }) => status === "ACTIVE");

function compareDeadlines(model: Model, flat: unknown) {
  expect(flat).toHaveLength(2 * active(model).length);
  const scores = new Map<unknown, number>();
  if (!Array.isArray(flat)) return;
  for (let i = 0; i < flat.length; i += 2) scores.set(flat[i], Number(flat[i + 1]));
  for (const { hold_id, due } of active(model)) {
    expect(scores.get(hold_id)).toBeGreaterThanOrEqual(due.from);
    expect(scores.get(hold_id)).toBeLessThanOrEqual(due.to);
  }
}
