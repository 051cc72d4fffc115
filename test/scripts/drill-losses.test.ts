import { expect, test } from "@jest/globals";
import { drawAccount } from "../../scripts/drill/account.ts";
import type { Readmission } from "../../scripts/drill/readmission.ts";
import { at, bookHold, entry, fault, openScene, reserveOf, type Scene } from "./drill-scene.ts";

// What the account says of a Redis that was emptied, which no promise but G11 allows to lose anything.

/**
 * Redis was emptied when the first three events were recorded and cid's hold, the fourth, was not. It was let
 * in again with all that Postgres knew, and told of one lost event.
 */
function openLoss(readmission: Partial<Readmission> = {}): Scene {
  const scene = openScene();
  const { redis, postgres } = scene.books;
  for (const { holds, stocks } of [redis, postgres]) {
    holds.delete("H-cid");
    stocks.set("tea", { available: 2, held: 0, version: 5 });
  }
  redis.seq = 6;
  postgres.losses = [{ events_lost: 1, exact: true }];
  postgres.alarmed.add(4);
  postgres.events = postgres.events.filter(({ seq }) => seq !== 4 && seq !== 7);
  postgres.takings = postgres.takings.filter(({ seq }) => seq !== 4 && seq !== 7);
  scene.faults = [
    {
      ...fault("flushall", 1.4, { back: 1.4, accepted: 2 }),
      readmission: {
        lost_at: at(1.4),
        shut_until: at(1.45),
        admitted_at: at(1.46),
        ...readmission,
      },
    },
  ];
  return scene;
}

/** As "G2 figure", those that are broken. */
function brokenIn(scene: Scene): string[] {
  return drawAccount(scene)
    .findings.filter(({ verdict }) => verdict === "BROKEN")
    .map(({ promise, figure, wrong }) => `${promise} ${figure}: ${wrong[0]}`);
}

test("a loss that is told of is kept, and stands there", () => {
  const scene = openLoss();
  expect(brokenIn(scene)).toEqual([]);
  const { findings } = drawAccount(scene);
  const figures = findings
    .filter(({ promise }) => promise === "G11" || promise === "G8")
    .map(({ figure, verdict }) => `${figure}: ${verdict}`);
  expect(figures).toEqual([
    "1 of 6 numbers: kept",
    "1 of 5 acknowledged; 1 reported: kept",
    "there were no requests: not tried",
    "events lost, as told: 1: kept",
  ]);
});

test("a loss that is not told of is broken wherever it shows", () => {
  const scene = openLoss();
  scene.books.postgres.losses = [];
  expect(brokenIn(scene)).toEqual([
    "G2 1 of 5 acknowledged: H-cid is not in Redis",
    "G7 5 of 6 events: 1 of 6 events are not in Postgres",
    "G8 1 of 6 numbers: events 4 ... are missing",
    "G11 events lost, as told: nothing: nothing says how much was lost",
  ]);
});

test("whoever asks for what was lost and told of may get another one", () => {
  const scene = openLoss();
  const another = { status: 201, replayed: false, hold_id: "H-cid2", expires_at: at(21) };
  scene.journal.push(entry("cid-reserve", reserveOf("cid"), 1.5, another));
  const cancelled = { status: "CANCELLED" as const, ended_at: at(2) };
  const hold = { ...bookHold("cid", 1.5, cancelled), hold_id: "H-cid2" };
  for (const { holds } of [scene.books.redis, scene.books.postgres]) holds.set("H-cid2", hold);
  expect(brokenIn(scene)).toEqual([]);
  scene.books.postgres.losses = [{ events_lost: 0, exact: true }];
  expect(brokenIn(scene)).toContainEqual(expect.stringMatching(/^G3 1 of 2 repeated/));
});

test("more is gone than was told", () => {
  const scene = openLoss();
  for (const { holds } of [scene.books.redis, scene.books.postgres]) holds.delete("H-bob");
  expect(brokenIn(scene)).toContainEqual("G2 2 of 5 acknowledged: H-bob is not in Redis");
});

test("more is gone than was told, and it was told that there may be more", () => {
  const scene = openLoss();
  scene.books.postgres.losses = [{ events_lost: 1, exact: false }];
  for (const { holds } of [scene.books.redis, scene.books.postgres]) holds.delete("H-bob");
  const why = "it is not known how much was lost, though nothing else had failed";
  expect(brokenIn(scene).filter((line) => line.startsWith("G2"))).toEqual([]);
  expect(brokenIn(scene)).toContainEqual(`G11 events lost, as told: at least 1: ${why}`);
  scene.faults.push(fault("worker", 1.3, { back: 1.5, accepted: 2 }));
  expect(brokenIn(scene).filter((line) => line.startsWith("G11"))).toEqual([]);
});

test("more is told than is gone", () => {
  const scene = openLoss();
  scene.books.postgres.losses = [{ events_lost: 2, exact: true }];
  expect(brokenIn(scene)).toEqual(["G7 5 of 6 events: Redis counts 6 events, Postgres has 5"]);
});

test.each([
  [409, "SOLD_OUT", true],
  [404, "UNKNOWN_SKU", true],
  [503, "RECOVERING", false],
])("an emptied Redis that is not let in yet answers %d %s", (status, code, is_broken) => {
  const scene = openLoss({ shut_until: at(1.45) });
  const answer = { status, code, replayed: false };
  scene.journal.push(entry("eve", reserveOf("eve"), 1.41, answer));
  const broken = brokenIn(scene).filter((line) => line.startsWith("G11"));
  expect(broken).toEqual(
    is_broken ? [`G11 1 of 1 requests: eve (RESERVE): ${status} ${code}`] : [],
  );
});

test.each([
  [null, "nobody noticed that Redis is empty, and let it in again"],
  [at(1.4) + 10_001, "Redis was let in after 10,001 ms only"],
])("Redis was let in again at %p", (admitted_at, sentence) => {
  expect(brokenIn(openLoss({ admitted_at }))).toContainEqual(expect.stringContaining(sentence));
});

test("time without Postgres or without a worker does not count", () => {
  const scene = openLoss({ admitted_at: at(1.4) + 15_000 });
  const sentence = "Redis was let in after 10,001 ms only";
  scene.faults.push(fault("postgres", 0.4, { back: 3.4, accepted: 20 }));
  scene.faults.push(fault("freeze-worker", 5, { back: 7.999, accepted: 20 }));
  expect(brokenIn(scene)).toContainEqual(expect.stringContaining(sentence));
  scene.faults.push(fault("worker", 9, { back: 9.001, accepted: 20 }));
  expect(brokenIn(scene).filter((line) => line.startsWith("G11"))).toEqual([]);
});

const BACK = { action: "RETURN", order_id: "O-ann", sku: "tea", units: 9, restock: true } as const;

test.each([
  [409, "RETURN_EXCEEDS_SOLD", false, false],
  [202, undefined, true, false],
  [202, undefined, false, true],
])(
  "while it is shut, a return is answered %d %p, replayed: %p",
  (status, code, replayed, is_broken) => {
    const scene = openLoss({ shut_until: at(1.45) });
    scene.journal.push(entry("ann-return", BACK, 1.41, { status, code, replayed }));
    const broken = brokenIn(scene).filter((line) => line.startsWith("G11 1 of 1 requests"));
    expect(broken).toHaveLength(is_broken ? 1 : 0);
  },
);
