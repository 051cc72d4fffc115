-- The rules of a sale, as Redis enforces them; and holds whose lines change while they live.

create table sale_rules (
  sku text constraint sale_rules_pk primary key,
  -- Null: they were taken away, but the customers of the sku are still counted.
  rules json,
  version bigint not null,
  counts boolean not null,
  changed_at timestamptz not null,
  constraint sale_rules_version_positive check (version > 0)
);
comment on table sale_rules is
  'What was last decided for each sku. Redis has the same, and gets it from here when it has lost it.';

alter table stock_movements drop constraint stock_movements_kind_known;
alter table stock_movements add constraint stock_movements_kind_known check (
  kind in ('HOLD_CREATED', 'HOLD_CONFIRMED', 'HOLD_CANCELLED', 'HOLD_EXPIRED', 'HOLD_PURCHASED',
    'HOLD_CHANGED', 'STOCK_ADJUSTED', 'STOCK_COUNTED', 'STOCK_TRANSFERRED', 'EXTERNAL')
);
