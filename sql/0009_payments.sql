-- Holds that are sold in part or after their deadline, and payments that came when nothing could be sold any
-- more: the money has moved, so somebody has to see to it.

alter table holds
  add column late boolean not null default false,
  add column partial boolean not null default false;
comment on column holds.late is 'It was sold after its deadline.';
comment on column holds.partial is 'Only a part of it was sold: hold_lines has that part.';

create table unfulfilled_payments (
  payment_id text constraint unfulfilled_payments_pk primary key,
  hold_id text not null,
  payment_ref text not null,
  why text not null,
  occurred_at timestamptz not null,
  -- As the hold was then; null when nobody knew it.
  hold_status text,
  user_id text,
  lines json,
  resolution text,
  reference text,
  resolved_at timestamptz,
  constraint unfulfilled_payments_one_for_a_hold unique (hold_id, payment_ref),
  constraint unfulfilled_payments_why_known check (
    why in ('SOLD_OUT', 'LIMIT_EXCEEDED', 'HOLD_CANCELLED', 'HOLD_ALREADY_CONFIRMED', 'HOLD_NOT_FOUND')
  ),
  constraint unfulfilled_payments_resolution_known check (resolution in ('refunded', 'fulfilled')),
  constraint unfulfilled_payments_resolved_whole check (
    (resolution is null) = (resolved_at is null) and (resolution is null) = (reference is null)
  )
);
comment on table unfulfilled_payments is
  'Payments for holds that could not be sold any more, by the event that said so, and what was done about each.';
-- One for each answer to `resolved`: a page of the few must not go through the many.
create index unfulfilled_payments_open on unfulfilled_payments (payment_id) where resolution is null;
create index unfulfilled_payments_done on unfulfilled_payments (payment_id) where resolution is not null;
