import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { monotonicNow } from "../../src/now.ts";
import { openDecidingSide } from "../setup/deciding-side.ts";
import { freshRedis } from "../setup/stack.ts";
import { ask } from "./ask.ts";
import type { Input, Output } from "./operations.ts";
import { type Recorded, sortOut } from "./sort-out.ts";

let server: Awaited<ReturnType<typeof freshRedis>>;
let side: Awaited<ReturnType<typeof openDecidingSide>>;
beforeAll(async () => {
  server = await freshRedis();
  side = await openDecidingSide(server.url);
  await side.redis.set(side.keys.stock("tea", "main"), 10);
});
afterAll(async () => {
  await side.close();
  await server.close();
});

const recorded: Recorded[] = [];
/** What came of it is forgotten when the answer is lost. */
async function tryOnce(request_id: string, input: Input, { lost = false } = {}): Promise<Output> {
  const called = monotonicNow();
  const answer = await ask(side, "tea", input, { request_id, deadline: called + 5_000 });
  note(request_id, input, lost ? undefined : answer);
  return answer;
}

function note(request_id: string, input: Input, output: Output | undefined) {
  const sku = "hold" in input ? undefined : "tea";
  recorded.push({ sku, request_id, operation: { input, called: 0, returned: 1, output } });
}

test("of several tries the one that made the event has its place", async () => {
  const adjust = { does: "adjust", key: "tea/a", store_id: "main", units: 1 } as const;
  note("adjust, lost, never came", adjust, undefined);
  await tryOnce("adjust", adjust);
  await tryOnce("adjust again", adjust);

  const reserve = { store_id: "main", quantity: 1, ttl_ms: 60_000, user: "ann" };
  const wish = { does: "reserve", key: "tea/k", ...reserve } as const;
  const { id: hold = "" } = await tryOnce("reserve, lost", wish, { lost: true });
  await tryOnce("reserve again", wish);

  await tryOnce("confirm, lost", { does: "confirm", hold }, { lost: true });
  await tryOnce("cancel", { does: "cancel", hold });
  note("cancel, lost", { does: "cancel", hold }, undefined);

  const histories = await sortOut(side, ["tea"], recorded);
  const hints = (histories.get("tea") ?? []).map(({ hint }, i) => [recorded[i]?.request_id, hint]);
  expect(hints).toEqual([
    ["adjust, lost, never came", undefined],
    ["adjust", 1],
    ["adjust again", 1.5],
    ["reserve, lost", 2],
    ["reserve again", 2.5],
    ["confirm, lost", 3],
    ["cancel", 3.5],
    ["cancel, lost", undefined],
  ]);
});

test("what was done, and answered as not done, is refused", async () => {
  const adjust = { does: "adjust", key: "tea/b", store_id: "main", units: 1 } as const;
  await tryOnce("told that it was not", adjust);
  recorded.pop();
  await expect(sortOut(side, ["tea"], recorded)).rejects.toThrow(
    "Was done, and answered as not done: told that it was not.",
  );
});
