import fc from "fast-check";
import { changeLinesRequest, extendRequest } from "./changing-requests.ts";
import { OUT_SKU, SKUS, type Step } from "./fuzz-world.ts";
import { cancelRequest, confirmRequest, createRequest, newHold } from "./script-side.ts";
import { joinRequest, leaveRequest, newWaiter, offerRequest } from "./waiting-requests.ts";

const OTHER = { fingerprint: "other" };
const OF_NO_VERSION = { if_version: 99 };
const OVERDUE = { deadline: 1 };

/**
 * What seldom comes about by chance, too: a hold is refused all that one can be refused, and cancelled; and
 * a customer leaves a queue twice. Each key is used for something else again.
 */
export const endingsStory = fc
  .record({ sku: fc.constantFrom(...SKUS), idem: fc.uuid() })
  .map(({ sku, idem }): Step[] => {
    const hold_id = newHold();
    const waiter_id = newWaiter();
    const lines = [{ sku, quantity: 1 }];
    const hold = { hold_id, lines, idem };
    const wish = { waiter_id, sku: OUT_SKU, quantity: 9, user_id: idem, idem };
    const twice = [{ sku, quantity: 2 }];
    const none = [{ sku, quantity: 0 }];
    return [
      { script: "create_holds", requests: [createRequest(hold)] },
      { script: "create_holds", requests: [createRequest({ lines, idem, ...OTHER })] },
      {
        script: "change_holds",
        requests: [
          changeLinesRequest({ ...hold, wanted: twice, ...OF_NO_VERSION }),
          changeLinesRequest({ ...hold, wanted: twice, ...OVERDUE }),
        ],
      },
      {
        script: "reduce_holds",
        requests: [changeLinesRequest({ ...hold, wanted: none, ...OF_NO_VERSION })],
      },
      {
        script: "extend_holds",
        requests: [{ ttl_ms: 1 }, OVERDUE].map((more) => extendRequest({ ...hold, ...more })),
      },
      {
        script: "cancel_holds",
        requests: [{}, OTHER, OVERDUE].map((more) => cancelRequest({ ...hold, ...more })),
      },
      { script: "confirm_holds", requests: [confirmRequest({ hold_id, lines })] },
      { script: "offer_stock", requests: [offerRequest({ sku: OUT_SKU, ...OVERDUE })] },
      { script: "join_waiting", requests: [joinRequest(wish)] },
      {
        script: "leave_waiting",
        requests: ["first", "second"].map((key) => leaveRequest({ waiter_id, idem: idem + key })),
      },
    ];
  });
