import { describe, expect, test } from "@jest/globals";
import {
  adjust,
  at,
  buy,
  cancel,
  changed,
  confirm,
  created,
  expire,
  isExplained,
  lost,
  read,
  replayed,
  reserve,
  stocks,
  transfer,
} from "./by-hand.ts";
import type { SkuOperation } from "./operations.ts";

const right: [string, SkuOperation[]][] = [
  ["nothing", []],
  [
    "one after the other",
    [
      at(0, 1, reserve("k", 3), created()),
      at(2, 3, read, stocks(7, 3, 1)),
      at(4, 5, confirm, { word: "CONFIRMED", id: "O-1" }),
      at(6, 7, confirm, { word: "REPLAYED", id: "O-1" }),
      at(8, 9, adjust("a", -7), changed(0, 3)),
      at(10, 11, reserve("l"), { word: "SOLD_OUT", available: 0 }),
      at(12, 13, buy("b", 2), { word: "PURCHASED", id: "H-2", store_id: "north" }),
      at(14, 15, read, stocks(0, 0, 3, [3, 1])),
    ],
  ],
  [
    "the last unit, asked for by two at once, goes to the later one",
    [
      at(0, 5, reserve("k", 10), { word: "ALL_HELD", available: 0 }),
      at(1, 4, reserve("l", 10), created()),
    ],
  ],
  [
    "a read that overlaps a change sees it or not",
    [
      at(0, 9, adjust("a", 1), changed(11, 1)),
      at(1, 2, read, stocks(10, 0, 0)),
      at(3, 4, read, stocks(11, 0, 1)),
    ],
  ],
  ["a lost answer: it happened", [lost(0, reserve("k", 2)), at(1, 2, read, stocks(8, 2, 1))]],
  ["a lost answer: it never did", [lost(0, reserve("k", 2)), at(1, 2, read, stocks(10, 0, 0))]],
  [
    "a lost answer: it happened after a while",
    [lost(0, transfer), at(1, 2, read, stocks(10, 0, 0)), at(3, 4, read, stocks(6, 0, 1, [9, 1]))],
  ],
  [
    "lost, it happened, and asking again finds it",
    [
      lost(0, reserve("k", 2)),
      at(1, 2, reserve("k", 2), replayed()),
      at(3, 4, read, stocks(8, 2, 1)),
    ],
  ],
  [
    "lost, it never happened, and asking again does it",
    [
      lost(0, reserve("k", 2)),
      at(1, 2, reserve("k", 2), created()),
      at(3, 4, read, stocks(8, 2, 1)),
    ],
  ],
  [
    "a lost confirm, and then a cancel that comes too late",
    [
      at(0, 1, reserve("k"), created()),
      lost(2, confirm),
      at(3, 4, cancel, { word: "HOLD_ALREADY_CONFIRMED" }),
    ],
  ],
  [
    "a hold that is due expires once, and is over from its deadline on",
    [
      at(0, 1, reserve("k"), created()),
      at(599, 602, confirm, { word: "HOLD_EXPIRED" }),
      at(603, 604, expire, { word: "EXPIRED" }),
      at(605, 606, cancel, { word: "REPLAYED", status: "EXPIRED" }),
      at(607, 608, read, stocks(10, 0, 2)),
    ],
  ],
  [
    "an expiry whose first reply was lost finds its own work done",
    [
      at(0, 1, reserve("k"), created()),
      at(603, 604, expire, { word: "ENDED" }),
      at(607, 608, read, stocks(10, 0, 2)),
    ],
  ],
];

const wrong: [string, SkuOperation[]][] = [
  [
    "a lost update: two changes saw the same stock",
    [at(0, 5, adjust("a", 1), changed(11, 1)), at(1, 4, adjust("b", 1), changed(11, 1))],
  ],
  [
    "a lost update: of two holds one took nothing",
    [
      at(0, 5, reserve("k", 2), created("H-1")),
      at(1, 4, reserve("l", 2), created("H-2")),
      at(6, 7, read, stocks(8, 2, 1)),
    ],
  ],
  [
    "a stale read: what was answered is not seen",
    [at(0, 1, adjust("a", 1), changed(11, 1)), at(2, 3, read, stocks(10, 0, 0))],
  ],
  [
    "a stale read: a change was seen, and then no more",
    [
      at(0, 9, adjust("a", 1), changed(11, 1)),
      at(1, 2, read, stocks(11, 0, 1)),
      at(3, 4, read, stocks(10, 0, 0)),
    ],
  ],
  [
    "a double effect: asking again took units again",
    [
      at(0, 1, reserve("k", 2), created()),
      at(2, 3, reserve("k", 2), replayed()),
      at(4, 5, read, stocks(6, 4, 2)),
    ],
  ],
  [
    "a double effect: a lost request happened, and so did the next try",
    [
      lost(0, adjust("a", 1)),
      at(1, 2, adjust("a", 1), changed(11, 1)),
      at(3, 4, read, stocks(12, 0, 2)),
    ],
  ],
  [
    "more holds than units",
    [at(0, 5, reserve("k", 6), created("H-1")), at(1, 4, reserve("l", 6), created("H-2"))],
  ],
  [
    "sold out while there was enough",
    [at(0, 1, read, stocks(10, 0, 0)), at(2, 3, reserve("k"), { word: "SOLD_OUT", available: 0 })],
  ],
  [
    "reordered: what was answered first happened last",
    [at(0, 1, adjust("a", 1), changed(12, 2)), at(2, 3, adjust("b", 1), changed(11, 1))],
  ],
  [
    "a lost answer: it happened, and then it had not",
    [lost(0, reserve("k", 2)), at(1, 2, read, stocks(8, 2, 1)), at(3, 4, read, stocks(10, 0, 0))],
  ],
  [
    "a lost answer: it happened when its time was over",
    [
      lost(0, reserve("k", 2), 2),
      at(3, 4, read, stocks(10, 0, 0)),
      at(5, 6, read, stocks(8, 2, 1)),
    ],
  ],
  ["half a lost transfer", [lost(0, transfer), at(1, 2, read, stocks(6, 0, 1))]],
  [
    "another hold under the same key",
    [at(0, 1, reserve("k"), created("H-1")), at(2, 3, reserve("k"), replayed("H-2"))],
  ],
  [
    "another deadline under the same key",
    [
      at(0, 1, reserve("k"), { ...created(), expires_at: 60_050 }),
      at(2, 3, reserve("k"), { ...replayed(), expires_at: 60_051 }),
    ],
  ],
  [
    "a hold that was confirmed and cancelled",
    [
      at(0, 1, reserve("k"), created()),
      at(2, 5, confirm, { word: "CONFIRMED" }),
      at(3, 4, cancel, { word: "CANCELLED" }),
    ],
  ],
  [
    "a hold that was sold after its deadline",
    [at(0, 1, reserve("k"), created()), at(603, 604, confirm, { word: "CONFIRMED" })],
  ],
  [
    "a hold that expired before its deadline",
    [at(0, 1, reserve("k"), created()), at(2, 3, expire, { word: "EXPIRED" })],
  ],
  [
    "a purchase from the store that had less",
    [at(0, 1, buy("b", 2), { word: "PURCHASED", store_id: "north" })],
  ],
];

describe("the history is right:", () => {
  test.each(right)("%s", (_, history) => {
    expect(isExplained(history)).toBe(true);
  });
});

describe("the history is wrong:", () => {
  test.each(wrong)("%s", (_, history) => {
    expect(isExplained(history)).toBe(false);
  });
});
