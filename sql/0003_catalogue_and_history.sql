-- What /v1 adds: products and stores, changes of stock that are no holds, and reads with an index behind
-- each filter.

create table stores (
  store_id text constraint stores_pk primary key,
  name text not null,
  latency_rank integer not null default 0,
  created_at timestamptz not null default now(),
  constraint stores_rank_not_negative check (latency_rank >= 0)
);
comment on table stores is
  'The recorder adds those it meets. Redis has a copy of the ranks, which the keeper of the worker mends.';
insert into stores (store_id, name)
select distinct store_id, store_id from stock_levels;

create extension if not exists pg_trgm;

create table products (
  sku text constraint products_pk primary key,
  name text not null,
  description text,
  price numeric(14, 2),
  category text,
  location text,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint products_price_not_negative check (price >= 0),
  constraint products_version_positive check (version > 0)
);
-- For `q`, which may be any part of either.
create index products_by_words on products using gin ((lower(sku || ' ' || name)) gin_trgm_ops);

create table initial_stocks (
  event_id uuid constraint initial_stocks_pk primary key,
  sku text not null,
  store_id text not null,
  units bigint not null,
  request_id text not null,
  created_at timestamptz not null default now(),
  constraint initial_stocks_units_positive check (units > 0)
);
comment on table initial_stocks is
  'Stock promised to a new product, from the product''s own transaction until the event is recorded.';

create table idempotency_records (
  route text not null,
  key text not null,
  fingerprint text not null,
  result json not null,
  created_at timestamptz not null default now(),
  constraint idempotency_records_pk primary key (route, key)
);
create index idempotency_records_by_age on idempotency_records (created_at);
comment on table idempotency_records is
  'What a key did to Postgres alone, written in the transaction that did it. Redis has those that took stock.';

-- Sold without naming a payment.
alter table holds drop constraint holds_sold_with_payment;
alter table holds add constraint holds_sold_with_order check (
  (status = 'CONFIRMED') = (order_id is not null) and (order_id is not null or payment_ref is null)
);
alter table orders alter column payment_ref drop not null;

create index holds_by_user on holds (user_id, hold_id);
create index holds_by_status on holds (status, hold_id);
create index hold_lines_by_sku on hold_lines (sku, hold_id);
create index orders_by_user on orders (user_id, order_id);

-- Events as consumers see them: in the order in which they were recorded, which nothing overtakes, since
-- there is one recorder. Null: recorded before payloads were kept.
alter table processed_events alter column hold_id drop not null;
alter table processed_events
  add column payload json,
  add column recorded_id bigint generated always as identity (cache 100);
create index processed_events_by_record on processed_events (recorded_id);
create index processed_events_by_time on processed_events (recorded_at, recorded_id);

-- recorded_id is the event's: it orders a stock's history, and leads from a stock to its events. The primary
-- key was never asked for, and an index on each movement costs what these do.
alter table stock_movements
  add column recorded_id bigint,
  add column version bigint,
  add column reason text,
  drop constraint stock_movements_pk,
  drop constraint stock_movements_kind_known;
update stock_movements set recorded_id = processed_events.recorded_id
from processed_events where processed_events.event_id = stock_movements.event_id;
update stock_movements set recorded_id = 0 where recorded_id is null;
alter table stock_movements alter column recorded_id set not null;
alter table stock_movements add constraint stock_movements_kind_known check (
  kind in ('HOLD_CREATED', 'HOLD_CONFIRMED', 'HOLD_CANCELLED', 'HOLD_EXPIRED', 'HOLD_PURCHASED',
    'STOCK_ADJUSTED', 'STOCK_COUNTED', 'STOCK_TRANSFERRED', 'EXTERNAL')
);
drop index stock_movements_by_stock;
create index stock_movements_by_stock on stock_movements (sku, store_id, recorded_id, movement_id);
create index stock_movements_by_store on stock_movements (store_id, recorded_id);

-- When the recorder had last read everything there was: no older fact is missing from the ledger.
alter table recorder_progress add column caught_up_at timestamptz;

alter table dead_events add column replay_requested_at timestamptz;
-- The recorder looks every second, however many letters nobody has asked for.
create index dead_events_requested on dead_events (partition, dead_id) where replay_requested_at is not null;

create table projection_rebuilds (
  rebuild_id bigint generated always as identity constraint projection_rebuilds_pk primary key,
  requested_at timestamptz not null default now(),
  started_at timestamptz,
  finished_at timestamptz,
  stocks_total bigint,
  stocks_done bigint not null default 0,
  stocks_corrected bigint not null default 0,
  last_sku text,
  last_store_id text,
  constraint projection_rebuilds_finished_when_started check (finished_at is null or started_at is not null)
);
-- One at a time: whoever asks meanwhile is told of that one.
create unique index projection_rebuilds_one_open on projection_rebuilds ((true)) where finished_at is null;
