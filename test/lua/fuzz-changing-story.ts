import fc from "fast-check";
import type { ScriptName } from "../../src/redis/scripts.ts";
import { changeLinesRequest, extendRequest } from "./changing-requests.ts";
import { SKUS, STORES, type Step, user_id } from "./fuzz-world.ts";
import { rulesRequest } from "./rules-requests.ts";
import { createRequest, newHold } from "./script-side.ts";
import { purchaseRequest } from "./stock-requests.ts";

const RULES = [
  ...["", "paused=1", "opens_at=4000000000000", "closes_at=1", "max_extensions=1"],
  ...["max_per_order=2", "max_per_customer=2", "max_active_holds=1"],
];

/**
 * What seldom comes about by chance: a hold that lives, and is extended and changed again and again under its
 * keys, while rules come and go.
 */
export const changingStory = fc
  .record({
    hold_id: fc.constant("").map(newHold),
    sku: fc.constantFrom(...SKUS),
    quantity: fc.constantFrom(2, 2, 3),
    more: fc.constantFrom(0, 1, 1, 2, 9),
    rules: fc.constantFrom(...RULES),
    user_id,
    idem: fc.uuid(),
    ends_by: fc.constantFrom<ScriptName>("change_holds", "reduce_holds"),
  })
  .map(({ hold_id, sku, quantity, more, rules, user_id, idem, ends_by }): Step[] => {
    const before = [{ sku, quantity }];
    const after = [{ sku, quantity: quantity + more }];
    const none = [{ sku, quantity: 0 }];
    const first = { hold_id, lines: before, idem };
    const again = { hold_id, lines: after, idem };
    const other = { ...again, fingerprint: "other" };
    const ghost = [{ sku: "ghost", quantity: 1 }];
    const one = [{ sku, quantity: 1 }];
    const ending = [
      { ...first, idem: `${idem}-4`, wanted: none, if_version: 99 },
      { ...again, idem: `${idem}-4`, wanted: none, if_version: 99 },
      { ...first, lines: one, idem: `${idem}-0`, wanted: none },
      { ...first, idem: `${idem}-0`, wanted: none },
      { ...again, idem: `${idem}-0`, wanted: none },
    ];
    const buy = { sku, quantity, user_id, stores: STORES, stores_seen: 998 };
    return [
      { script: "create_holds", requests: [createRequest({ hold_id, lines: before, user_id })] },
      { script: "change_rules", requests: [rulesRequest({ sku, rules })] },
      { script: "create_holds", requests: [createRequest({ lines: before, user_id })] },
      { script: "create_purchases", requests: [purchaseRequest(buy)] },
      {
        script: "extend_holds",
        requests: [
          ...[first, first, { ...first, fingerprint: "other" }].map(extendRequest),
          extendRequest({ ...first, idem: `${idem}-1`, ttl_ms: 300_000 }),
        ],
      },
      {
        script: "change_holds",
        requests: [
          ...[first, again, other].map((spec) => changeLinesRequest({ ...spec, wanted: after })),
          ...[first, again].map((spec) =>
            changeLinesRequest({ ...spec, idem: `${idem}-6`, wanted: ghost }),
          ),
        ],
      },
      {
        script: "reduce_holds",
        requests: [
          ...[again, { ...again, idem: `${idem}-2` }, other].map((spec) =>
            changeLinesRequest({ ...spec, wanted: after }),
          ),
          ...[first, again].map((spec) =>
            changeLinesRequest({ ...spec, idem: `${idem}-5`, wanted: one }),
          ),
        ],
      },
      { script: ends_by, requests: [...ending, ...ending].map(changeLinesRequest) },
      { script: "extend_holds", requests: [extendRequest({ ...first, idem: `${idem}-3` })] },
      {
        script: ends_by,
        requests: [changeLinesRequest({ ...first, idem: `${idem}-3`, wanted: none })],
      },
      { script: "change_rules", requests: [rulesRequest({ sku, rules: "" })] },
    ];
  });
