-- What customers sent back of their orders.

create table order_returns (
  event_id uuid constraint order_returns_pk primary key,
  order_id text not null,
  restock boolean not null,
  reason text,
  request_id text not null,
  created_at timestamptz not null default now(),
  returned_at timestamptz
);
comment on table order_returns is
  'What was taken back, decided here under a lock on the order. Redis is told afterwards, by this event_id.';
comment on column order_returns.returned_at is
  'When Redis took it back. Null until that is recorded: it may have to be told yet.';
create index order_returns_by_order on order_returns (order_id);
create index order_returns_open on order_returns (event_id) where returned_at is null;

create table order_return_lines (
  event_id uuid not null constraint order_return_lines_return_fk references order_returns on delete cascade,
  sku text not null,
  store_id text not null,
  quantity integer not null,
  freed boolean not null default false,
  constraint order_return_lines_pk primary key (event_id, sku, store_id),
  constraint order_return_lines_quantity_positive check (quantity > 0)
);
comment on column order_return_lines.freed is
  'The units count no more against what the customer may buy, by the rules of the moment.';
create index order_return_lines_freed on order_return_lines (sku) where freed;

alter table stock_movements drop constraint stock_movements_kind_known;
alter table stock_movements add constraint stock_movements_kind_known check (
  kind in ('HOLD_CREATED', 'HOLD_CONFIRMED', 'HOLD_CANCELLED', 'HOLD_EXPIRED', 'HOLD_PURCHASED',
    'HOLD_CHANGED', 'STOCK_ADJUSTED', 'STOCK_COUNTED', 'STOCK_TRANSFERRED', 'ORDER_RETURNED', 'EXTERNAL')
);
