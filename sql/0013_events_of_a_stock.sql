-- Which stocks an event is about without moving any of their units: those that it moves are found by its
-- movements.

create table unmoved_stocks (
  recorded_id bigint not null,
  sku text not null,
  -- Empty: it is about the sku in all stores.
  store_id text not null,
  constraint unmoved_stocks_pk primary key (recorded_id, sku, store_id)
);
comment on table unmoved_stocks is
  'Extensions, rules, payments that could not be fulfilled, who waits, and returns and changes that left a stock as it was: kept as long as their events.';

insert into unmoved_stocks (recorded_id, sku, store_id)
select recorded_id, payload->>'sku', coalesce(payload->>'store_id', '')
from processed_events
where payload is not null and type in ('RULES_CHANGED', 'WAITER_JOINED', 'WAITER_LEFT')
union
select recorded_id, line->>'sku', line->>'store_id'
from processed_events cross join lateral json_array_elements(payload->'lines') as line
where payload is not null and (
  type = 'HOLD_EXTENDED'
  or type = 'HOLD_CHANGED' and line->>'available_delta' = '0' and line->>'held_delta' = '0'
  or type = 'ORDER_RETURNED' and line->>'available_delta' = '0'
)
union
select recorded_id, split_part(line, '@', 1), split_part(split_part(line, '@', 2), '=', 1)
from processed_events
cross join lateral string_to_table(payload->'hold'->>'lines', ' ') as line
where payload is not null and type = 'PAYMENT_UNFULFILLED' and line <> '';

create index unmoved_stocks_by_sku on unmoved_stocks (sku, recorded_id);
create index unmoved_stocks_by_stock on unmoved_stocks (sku, store_id, recorded_id);
create index unmoved_stocks_by_store on unmoved_stocks (store_id, recorded_id);
