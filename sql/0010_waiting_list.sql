-- Who waits for units of a stock, in the order in which Redis serves them.

create table waiters (
  waiter_id text constraint waiters_pk primary key,
  status text not null,
  sku text not null,
  store_id text not null,
  quantity integer not null,
  user_id text not null,
  offer_ms integer not null,
  joined_at timestamptz not null,
  -- The seq of the event that told of it: whoever has a lower one is served before.
  joined_seq bigint not null,
  -- What it was offered; how that ended stands in holds.
  hold_id text,
  constraint waiters_status_known check (status in ('WAITING', 'OFFERED', 'LEFT', 'REFUSED')),
  constraint waiters_quantity_positive check (quantity > 0),
  constraint waiters_offered_hold check ((status = 'OFFERED') = (hold_id is not null))
);
comment on table waiters is
  'Everybody who waits or has waited for a stock. Redis has the same, and gets it from here when it has lost it.';

-- Those who wait, in order: what a recovery gives back, and a place while Redis is away.
create index waiters_by_seq on waiters (joined_seq) where status = 'WAITING';
create index waiters_by_stock on waiters (sku, store_id, joined_seq) where status = 'WAITING';
