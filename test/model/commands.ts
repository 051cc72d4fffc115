import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "@jest/globals";
import fc from "fast-check";
import { ask } from "./ask.ts";
import { requestOf, type Wish } from "./come-true.ts";
import { payloadOf } from "./decisions/hold-changes.ts";
import { serveTouched } from "./decisions/serving.ts";
import { follow } from "./follow.ts";
import { learnTime, type Model, setByHand, stockOf } from "./model.ts";
import type { Real } from "./real.ts";
import type { Request } from "./requests.ts";
import { saw } from "./seen.ts";
import * as stories from "./stories.ts";
import * as wishes from "./wishes.ts";
import { SKUS, STORES } from "./world.ts";

type Command = fc.AsyncCommand<Model, Real>;

/** Deadlines that lie no further ahead are waited for. */
const SOON_MS = 50;
const MENDED = 7;
const CORRUPTED = { sku: "a", store_id: "main" };
const WHILE_SHUT: Request = {
  does: "change",
  route: "adjust",
  key: "while shut",
  sku: "a",
  store_id: "main",
  operation: "ADJUST",
  units: 1,
  if_version: undefined,
  reason: "sale",
};
const NEARLY_TOO_MANY = 999_999_999_997;

const command = (name: string, spec: unknown, run: Command["run"]): Command => ({
  check: () => true,
  run,
  toString: () => (spec === undefined ? name : `${name} ${JSON.stringify(spec)}`),
});

/** Asks for all of it at once, so that it shares script calls. They are carried out in this order. */
async function askAll(model: Model, real: Real, requests: Request[]) {
  const from = Date.now();
  const answers = await Promise.all(requests.map((request) => ask(real, request)));
  model.span = { from, to: Date.now() };
  for (const [i, request] of requests.entries()) {
    follow(model, request, answers[i] ?? { word: "nothing" });
  }
  serveTouched(model);
  await learnOffers(model, real);
  model.stores_seen = model.stores_noticed ?? model.stores_seen;
  model.stores_noticed = undefined;
}

/** Whoever was served was not the one who asked, and so when that was is in no answer. */
async function learnOffers(model: Model, { redis, keys }: Real) {
  for (const { hold, ms } of model.offers.splice(0)) {
    const at = learnTime(
      hold.created,
      Number(await redis.hget(keys.hold(hold.hold_id), "created_at")),
    );
    hold.expires_at = at + ms;
    hold.due = { from: hold.expires_at, to: hold.expires_at };
    const { created_at, expires_at } = payloadOf(hold);
    // Who asked may have had it replaced in the same step.
    for (const { payload } of model.events) {
      if (payload.hold_id === hold.hold_id) Object.assign(payload, { created_at, expires_at });
    }
  }
}

function comeTrue(model: Model, wish: Wish): Request {
  const request = requestOf(model, wish);
  model.asked.push(request);
  return request;
}

const once = (wish: Wish) =>
  command("ask", wish, (model, real) => askAll(model, real, [comeTrue(model, wish)]));
const twice = (wish: Wish) =>
  command("twice at once", wish, (model, real) => {
    const request = comeTrue(model, wish);
    return askAll(model, real, [request, request]);
  });
const together = (list: Wish[]) =>
  command("together", list, (model, real) => {
    const requests = list.map((wish) => comeTrue(model, wish));
    return askAll(model, real, requests);
  });
/** One after the other, as chance would rarely have it. */
const inTurn = (list: Wish[]) =>
  command("in turn", list, async (model, real) => {
    for (const wish of list) await askAll(model, real, [comeTrue(model, wish)]);
  });
const again = (n: number) =>
  command("again, counted from the last", n, async (model, real) => {
    const request = model.asked.at(-1 - n);
    if (request) await askAll(model, real, [request]);
  });

type ByHand = { sku: string; store_id: string };
const set = (spec: ByHand & { units: number | string }) =>
  command("redis-cli SET", spec, async (model, { redis, keys }) => {
    await redis.set(keys.stock(spec.sku, spec.store_id), spec.units);
    setByHand(stockOf(model, spec), Number(spec.units));
    saw("by hand SET");
  });
const increase = (spec: ByHand & { by: number }) =>
  command("redis-cli INCRBY", spec, async (model, { redis, keys }) => {
    const stock = stockOf(model, spec);
    const asked = redis.incrby(keys.stock(spec.sku, spec.store_id), spec.by);
    if (Number.isNaN(stock.available)) return expect(asked).rejects.toThrow("not an integer");
    expect(await asked).toBe(stock.available + spec.by);
    setByHand(stock, stock.available + spec.by);
    saw("by hand INCRBY");
  });
/** Somebody sees the alarm. */
const mend = command("mend", undefined, async (model, { redis, keys }) => {
  for (const stock of model.stocks.values()) {
    if (stock.available >= 0) continue;
    await redis.set(keys.stock(stock.sku, stock.store_id), MENDED);
    setByHand(stock, MENDED);
  }
});
const register = (spec: { store_id: string; rank: number }) =>
  command("register", spec, async (model, { stores }) => {
    await stores.register(spec.store_id, spec.rank);
    model.stores.set(spec.store_id, spec.rank);
    model.stores_seen = undefined;
  });

const holding = ({ holds }: Model) =>
  [...holds.values()].filter((hold) => hold.status === "ACTIVE");

/** Waits until no deadline lies just ahead. */
async function passDeadlines(model: Model) {
  const soon = holding(model).filter(({ expires_at }) => expires_at < Date.now() + SOON_MS);
  const last = Math.max(...soon.map(({ expires_at }) => expires_at));
  if (Date.now() <= last) saw("time passes");
  while (Date.now() <= last) await sleep(1);
}
const pass = command("time passes", undefined, passDeadlines);

/** All that is due ends, in the order of the deadlines. */
const sweep = command("sweep", undefined, async (model, real) => {
  await passDeadlines(model);
  const from = Date.now();
  const swept = await real.sweeper.runOnce();
  model.span = { from, to: Date.now() };
  const due = holding(model)
    .filter((hold) => hold.due.to < from)
    .sort((a, b) => a.due.to - b.due.to || (a.hold_id < b.hold_id ? -1 : 1));
  let ended = 0;
  for (const { hold_id, lines } of due) {
    const isCorrupt = lines.some((line) => !(stockOf(model, line).available >= 0));
    const word = isCorrupt ? "CORRUPT" : "EXPIRED";
    if (!isCorrupt) ended += 1;
    follow(model, { does: "expire", hold_id }, { word });
    saw(`sweep ${word}`);
  }
  expect(swept).toBe(ended);
  serveTouched(model);
  await learnOffers(model, real);
});

/** Somebody makes a stock corrupt, and mends it again. */
const spoil = ({ first, meanwhile }: { first: Wish[]; meanwhile: Wish }) =>
  command("while a stock is corrupt", { first, meanwhile }, async (model, real) => {
    await inTurn(first).run(model, real);
    const { sku, store_id } = CORRUPTED;
    await set({ sku, store_id, units: "abc" }).run(model, real);
    await askAll(model, real, [comeTrue(model, meanwhile)]);
    await sweep.run(model, real);
    await set({ sku, store_id, units: MENDED }).run(model, real);
  });

/** Nothing is decided until Redis is admitted again. */
const expectShut = async (real: Real) =>
  expect(await ask(real, WHILE_SHUT)).toEqual({ word: "RECOVERING" });
const shut = command("shut the fence", undefined, async ({ generation }, real) => {
  await real.shut();
  await expectShut(real);
  await real.reopen(generation);
  saw("fence shut");
});
const restart = command("restart", undefined, async (model, real) => {
  await real.restart();
  await expectShut(real);
  model.generation += 1;
  await real.reopen(model.generation);
  saw("restart");
});

const any = fc.oneof<fc.WeightedArbitrary<Wish>[]>(
  { weight: 12, arbitrary: wishes.reserve },
  { weight: 5, arbitrary: wishes.confirm },
  { weight: 4, arbitrary: wishes.cancel },
  { weight: 3, arbitrary: wishes.expire },
  { weight: 4, arbitrary: wishes.change },
  { weight: 3, arbitrary: wishes.transfer },
  { weight: 7, arbitrary: wishes.purchase },
  { weight: 1, arbitrary: wishes.readStocks },
  { weight: 1, arbitrary: wishes.readHold },
  { weight: 4, arbitrary: wishes.settle },
  { weight: 3, arbitrary: wishes.extend },
  { weight: 4, arbitrary: wishes.changeHold },
  { weight: 3, arbitrary: wishes.changeRules },
  { weight: 2, arbitrary: wishes.returnUnits },
  { weight: 4, arbitrary: wishes.join },
  { weight: 3, arbitrary: wishes.leave },
  { weight: 2, arbitrary: wishes.offer },
);
// A hold that is to be replaced is looked up first, so those who ask for that come later than others.
const atOnce = wishes.reserve.map((wish) => ({ ...wish, replace: false }));
const ofOneKind = fc.oneof<fc.MaybeWeightedArbitrary<Wish[]>[]>(
  ...[
    ...[atOnce, wishes.confirm, wishes.cancel, wishes.change, wishes.purchase],
    ...[wishes.settle, wishes.join, wishes.leave],
  ].map((wish: fc.Arbitrary<Wish>) => fc.array(wish, { minLength: 2, maxLength: 4 })),
);
const byHand = { sku: fc.constantFrom(...SKUS), store_id: fc.constantFrom("main", ...STORES) };
const units = fc.oneof(
  { weight: 6, arbitrary: fc.nat({ max: 12 }) },
  { weight: 2, arbitrary: fc.constant(NEARLY_TOO_MANY) },
  { weight: 2, arbitrary: fc.constant("abc") },
);
const by = fc.integer({ min: -15, max: 6 });
const rank = fc.nat({ max: 2 });

const common: fc.WeightedArbitrary<Command>[] = [
  { weight: 40, arbitrary: any.map(once) },
  { weight: 3, arbitrary: any.map(twice) },
  { weight: 4, arbitrary: ofOneKind.map(together) },
  { weight: 7, arbitrary: stories.story.map(inTurn) },
  { weight: 1, arbitrary: fc.record(stories.corrupting).map(spoil) },
  { weight: 5, arbitrary: fc.nat({ max: 8 }).map(again) },
  { weight: 3, arbitrary: fc.record({ ...byHand, units }).map(set) },
  { weight: 2, arbitrary: fc.record({ ...byHand, by }).map(increase) },
  { weight: 2, arbitrary: fc.constant(mend) },
  { weight: 1, arbitrary: fc.record({ store_id: fc.constantFrom(...STORES), rank }).map(register) },
  { weight: 1, arbitrary: fc.constant(pass) },
  { weight: 2, arbitrary: fc.constant(sweep) },
  { weight: 1, arbitrary: fc.constant(shut) },
];

const COMMANDS_MAX = 50;
const lists = (arbitraries: fc.WeightedArbitrary<Command>[], replay: { replayPath?: string }) =>
  fc.commands([fc.oneof(...arbitraries)], { maxCommands: COMMANDS_MAX, size: "max", ...replay });

export const commands = (replay: { replayPath?: string }) => lists(common, replay);
/** The same, and now and then Redis dies: which takes longer than all the rest. */
export const commandsAndRestarts = (replay: { replayPath?: string }) =>
  lists([...common, { weight: 3, arbitrary: fc.constant(restart) }], replay);
