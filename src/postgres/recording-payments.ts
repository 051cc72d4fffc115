import type { HoldPayload, PaymentPayload } from "../domain/event.ts";
import type { Statement } from "./client.ts";

// The rows of late and partial sales, and of payments that could not be fulfilled.

/** Says of holds that they were sold late or in part. Behind the upsert of the holds themselves. */
export const markSold = (holds: HoldPayload[]): Statement => ({
  name: "mark_sold_holds",
  text: `update holds set late = sold.late, partial = sold.partial
         from unnest($1::text[], $2::integer[], $3::boolean[], $4::boolean[])
           as sold (hold_id, version, late, partial)
         where holds.hold_id = sold.hold_id and holds.version = sold.version`,
  values: [
    holds.map(({ hold_id }) => hold_id),
    holds.map(({ version }) => version),
    holds.map(({ late = false }) => late),
    holds.map(({ partial = false }) => partial),
  ],
});

/** The first word on a payment for a hold stands. */
export const insertPayments = (payments: PaymentPayload[]): Statement => ({
  name: "insert_unfulfilled_payments",
  text: `insert into unfulfilled_payments (payment_id, hold_id, payment_ref, why, occurred_at, hold_status,
           user_id, lines)
         select payment_id, hold_id, payment_ref, why, to_timestamp(occurred_ms / 1000), hold_status,
           user_id, lines
         from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::float8[], $6::text[], $7::text[],
             $8::json[])
           as told (payment_id, hold_id, payment_ref, why, occurred_ms, hold_status, user_id, lines)
         on conflict do nothing`,
  values: [
    payments.map(({ payment_id }) => payment_id),
    payments.map(({ hold_id }) => hold_id),
    payments.map(({ payment_ref }) => payment_ref),
    payments.map(({ why }) => why),
    payments.map(({ occurred_at }) => occurred_at),
    payments.map(({ hold }) => hold?.status),
    payments.map(({ hold }) => hold?.user_id),
    payments.map(({ hold }) => hold && JSON.stringify(hold.lines)),
  ],
});
