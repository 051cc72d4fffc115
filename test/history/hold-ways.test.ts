import { describe, expect, test } from "@jest/globals";
import {
  at,
  confirm,
  created,
  extend,
  isExplained,
  limit,
  lost,
  read,
  reserve,
  resize,
  stocks,
  TTL_MS,
} from "./by-hand.ts";
import type { SkuOperation } from "./operations.ts";

const right: [string, SkuOperation[]][] = [
  [
    "a hold has more time, and is alive behind its first deadline",
    [
      at(0, 1, reserve("k"), created()),
      at(2, 3, extend("e", 2 * TTL_MS), { word: "EXTENDED", expires_at: 120_250, left: 9 }),
      at(4, 5, extend("e", 2 * TTL_MS), { word: "REPLAYED", expires_at: 120_250, left: 9 }),
      at(6, 7, extend("f", TTL_MS), { word: "EXTENDED", expires_at: 120_250, left: 9 }),
      at(700, 701, confirm, { word: "CONFIRMED" }),
    ],
  ],
  [
    "a lost extension: it happened",
    [
      at(0, 1, reserve("k"), created()),
      lost(2, extend("e", 2 * TTL_MS), 10),
      at(700, 701, confirm, { word: "CONFIRMED" }),
    ],
  ],
  [
    "a hold is made larger and smaller, and then to nothing",
    [
      at(0, 1, reserve("k", 2), created()),
      at(2, 3, resize("r", 10), { word: "CHANGED", quantity: 10 }),
      at(4, 5, read, stocks(0, 10, 2)),
      at(6, 7, resize("s", 11), { word: "SOLD_OUT", available: 0 }),
      at(8, 9, resize("r", 10), { word: "REPLAYED", quantity: 10 }),
      at(10, 11, resize("t", 1), { word: "CHANGED", quantity: 1 }),
      at(12, 13, resize("u", 0), { word: "CANCELLED", quantity: 0 }),
      at(14, 15, read, stocks(10, 0, 4)),
    ],
  ],
  [
    "a limit counts what is live and what is sold, of each customer alone",
    [
      at(0, 1, reserve("k", 2), created("H-1")),
      at(2, 3, confirm, { word: "CONFIRMED" }),
      at(4, 5, limit("m", 3), { word: "CHANGED", id: "7" }),
      at(6, 7, reserve("l", 2), { word: "LIMIT_EXCEEDED", left: 1 }),
      at(8, 9, reserve("n", 2, "bob"), created("H-2")),
      at(10, 11, reserve("l", 1), created("H-3")),
    ],
  ],
];

const wrong: [string, SkuOperation[]][] = [
  [
    "an extension that is counted twice",
    [
      at(0, 1, reserve("k"), created()),
      lost(2, extend("e", 2 * TTL_MS), 3),
      at(4, 5, extend("e", 2 * TTL_MS), { word: "EXTENDED", expires_at: 120_450, left: 8 }),
    ],
  ],
  [
    "a deadline that an extension brought nearer",
    [
      at(0, 1, reserve("k"), { ...created(), expires_at: 60_050 }),
      at(2, 3, extend("e", 100), { word: "EXTENDED", expires_at: 350, left: 9 }),
    ],
  ],
  [
    "a hold that was made larger than there is",
    [
      at(0, 1, reserve("k", 2), created()),
      at(2, 3, resize("r", 11), { word: "CHANGED", quantity: 11 }),
    ],
  ],
  [
    "a limit that two at once pass together",
    [
      at(0, 1, limit("m", 3), { word: "CHANGED", id: "7" }),
      at(2, 9, reserve("k", 2), created("H-1")),
      at(3, 8, reserve("l", 2), created("H-2")),
    ],
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
