import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { newHoldId, newPaymentId } from "../../../src/domain/ids.ts";
import { createUnfulfilled } from "../../../src/postgres/unfulfilled.ts";
import { unresolvedPayments } from "../../../worker/metrics.ts";
import { createPaymentMeter } from "../../../worker/payment-meter.ts";
import { type BackOffice, invalid, objectOf, openBackOffice } from "./back-office.ts";
import { badTexts } from "./bad-values.ts";

let office: BackOffice;
beforeAll(async () => {
  office = await openBackOffice({ request_budget_ms: 5_000 });
});
afterAll(() => office.close());

const PATH = "/v1/unfulfilled-payments";

/** Payments for holds that were never there, oldest first. */
async function stranded(count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let i = 0; i < count; i += 1) {
    const body = { hold_id: newHoldId(), payment_ref: "p", on_expired: "reacquire" };
    ids.push(String((await office.shop.confirm(body)).body.payment_id));
  }
  await office.record();
  return ids;
}

const refunded = { resolution: "refunded", reference: "re_1" };
const resolve = (id: string, body: unknown = refunded, sent?: { key: string }) =>
  office.post(`${PATH}/${id}:resolve`, body, sent);
const idsOf = async (query: string) =>
  (await office.pages(`${PATH}${query}`, 2)).flat().map(({ paymentId }) => paymentId);

test("they are listed newest first, by whether somebody has seen to them, and counted", async () => {
  const ids = (await stranded(5)).reverse();
  await resolve(ids[1] ?? "");
  await resolve(ids[3] ?? "");
  expect((await idsOf("")).slice(0, 5)).toEqual(ids);
  expect((await idsOf("?resolved=true")).slice(0, 2)).toEqual([ids[1], ids[3]]);
  const open = await idsOf("?resolved=false");
  expect(open.slice(0, 3)).toEqual([ids[0], ids[2], ids[4]]);
  await createPaymentMeter(createUnfulfilled(office.shop.api.pool)).runOnce();
  expect((await unresolvedPayments.get()).values[0]?.value).toBe(open.length);
});

describe("a payment", () => {
  test("is shown, and then what was done about it", async () => {
    const [id = ""] = await stranded(1);
    const { status, body } = await office.get(`${PATH}/${id}`);
    expect(status).toBe(200);
    expect(body).toEqual({
      ...{ paymentId: id, reservationId: expect.stringMatching(/^H-/), paymentRef: "p" },
      ...{ why: "HOLD_NOT_FOUND", occurredAt: expect.any(String), lines: null },
      ...{ resolution: null, reference: null, resolvedAt: null },
    });
    const resolved = await resolve(id, { resolution: "fulfilled", reference: "sent by hand" });
    expect(resolved.status).toBe(200);
    const { resolvedAt } = resolved.body;
    expect(resolved.body).toEqual({
      ...{ paymentId: id, resolution: "fulfilled", reference: "sent by hand" },
      resolvedAt: expect.any(String),
    });
    expect((await office.get(`${PATH}/${id}`)).body).toEqual({
      ...{ ...body, resolution: "fulfilled", reference: "sent by hand", resolvedAt },
    });
  });

  test("is resolved once: the same way again is a replay, another way is refused", async () => {
    const [id = ""] = await stranded(1);
    const first = await resolve(id, refunded, { key: `k-${id}` });
    expect(first.headers.get("idempotent-replayed")).toBeNull();
    for (const key of [`k-${id}`, `other-${id}`]) {
      const again = await resolve(id, refunded, { key });
      expect([again.text, again.headers.get("idempotent-replayed")]).toEqual([first.text, "true"]);
    }
    const members = { paymentId: id, ...refunded };
    for (const other of [
      { ...refunded, resolution: "fulfilled" },
      { ...refunded, reference: "re_2" },
    ]) {
      const refusal = { status: 409, code: "PAYMENT_ALREADY_RESOLVED", members };
      await office.expectRefused(() => resolve(id, other), refusal);
      const reused = { status: 422, code: "IDEMPOTENCY_KEY_REUSED" };
      await office.expectRefused(() => resolve(id, other, { key: `k-${id}` }), reused);
    }
  });

  test("is resolved by one of many who say different things at once", async () => {
    const [id = ""] = await stranded(1);
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, i) => resolve(id, { ...refunded, reference: `re_${i}` })),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(9);
  });

  test("that does not exist is not found", async () => {
    const refusal = { status: 404, code: "NOT_FOUND" };
    for (const id of [newPaymentId(), "P-1", "x", "H-01a1fbe0-b8e6-7462-8776-0bd4fb74d142"]) {
      await office.expectRefused(() => office.get(`${PATH}/${id}`), refusal);
      await office.expectRefused(() => resolve(id), refusal);
    }
  });
});

describe("is refused, and nothing is done:", () => {
  let id = "";
  beforeAll(async () => {
    [id = ""] = await stranded(1);
  });

  test.each(badTexts(255))("reference %s", (reference) =>
    office.expectRefused(
      () => resolve(id, objectOf({ resolution: '"refunded"', reference })),
      invalid("#/reference"),
    ),
  );

  test.each(['"REFUNDED"', '""', '"other"', "null", "1", "[]"])("resolution %s", (resolution) =>
    office.expectRefused(
      () => resolve(id, objectOf({ resolution, reference: '"r"' })),
      invalid("#/resolution"),
    ),
  );

  test.each([
    ["resolved=1", "?resolved"],
    ["resolved=", "?resolved"],
    ["limit=0", "?limit"],
    ["limit=201", "?limit"],
    ["cursor=x", "?cursor"],
    ["other=1", "?other"],
  ])("a list with %s", (query, pointer) =>
    office.expectRefused(() => office.get(`${PATH}?${query}`), invalid(pointer)),
  );
});
