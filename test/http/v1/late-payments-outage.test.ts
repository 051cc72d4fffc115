import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { newHoldId } from "../../../src/domain/ids.ts";
import { freshPostgres } from "../../setup/stack.ts";
import { dump } from "../dump.ts";
import { expectProblem } from "../expect-problem.ts";
import { openShop, type Shop } from "../shop.ts";

let postgres: Awaited<ReturnType<typeof freshPostgres>>;
let shop: Shop;
beforeAll(async () => {
  postgres = await freshPostgres();
  shop = await openShop({ databaseUrl: postgres.url, request_budget_ms: 5_000 });
});
afterAll(async () => {
  await shop.close();
  await postgres.close();
});

test("without the ledger Redis settles what it surely remembers, and nothing is done about the rest", async () => {
  const late = (hold_id: string) =>
    shop.confirm({ hold_id, payment_ref: "p", on_expired: "reacquire" });
  const [held, cancelled] = [await shop.hold(), await shop.hold()];
  await shop.cancel({ hold_id: cancelled.hold_id });
  await postgres.kill();
  expect((await late(held.hold_id)).status).toBe(200);
  const refused = await late(cancelled.hold_id);
  expect([refused.status, refused.body.code]).toEqual([409, "PAYMENT_UNFULFILLED"]);
  const unknown = newHoldId();
  const before = await dump(shop.api.redis);
  for (const on_expired of ["reacquire", "refuse"]) {
    const answer = await shop.confirm({ hold_id: unknown, payment_ref: "p", on_expired });
    expectProblem(answer, { status: 503, code: "STORE_UNAVAILABLE" });
    expect(answer.headers.get("retry-after")).toMatch(/^[123]$/);
  }
  expect(await dump(shop.api.redis)).toEqual(before);
  await postgres.start();
  const answer = await late(unknown);
  expect([answer.status, answer.body.why]).toEqual([409, "HOLD_NOT_FOUND"]);
});
