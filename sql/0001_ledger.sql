-- The ledger: what Redis decided, as the recorder writes it. Rules the database can check are constraints
-- with names; an event that breaks one is a bug and goes to the dead letters.

create table processed_events (
  event_id uuid constraint processed_events_pk primary key,
  partition smallint not null,
  seq bigint not null,
  type text not null,
  hold_id text not null,
  occurred_at timestamptz not null,
  recorded_at timestamptz not null default now(),
  constraint processed_events_seq_positive check (seq > 0)
);
comment on table processed_events is 'One row an event. Its insert decides whether the event is applied.';

create table holds (
  hold_id text constraint holds_pk primary key,
  status text not null,
  user_id text not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  ended_at timestamptz,
  order_id text,
  payment_ref text,
  reason text,
  version integer not null,
  constraint holds_status_known check (status in ('ACTIVE', 'CONFIRMED', 'CANCELLED', 'EXPIRED')),
  constraint holds_version_positive check (version > 0),
  constraint holds_ended_when_not_active check ((status = 'ACTIVE') = (ended_at is null)),
  constraint holds_sold_with_payment check (
    (status = 'CONFIRMED') = (order_id is not null and payment_ref is not null)
  )
);

create table hold_lines (
  hold_id text not null constraint hold_lines_hold_fk references holds on delete cascade,
  sku text not null,
  store_id text not null,
  quantity integer not null,
  constraint hold_lines_pk primary key (hold_id, sku, store_id),
  constraint hold_lines_quantity_positive check (quantity > 0)
);

create table orders (
  order_id text constraint orders_pk primary key,
  hold_id text not null constraint orders_hold_fk references holds
    constraint orders_one_for_a_hold unique,
  user_id text not null,
  payment_ref text not null,
  confirmed_at timestamptz not null
);
comment on table orders is 'Sold holds. What was sold stands in hold_lines.';

create table stock_levels (
  sku text not null,
  store_id text not null,
  available bigint not null,
  held bigint not null,
  on_hand bigint generated always as (available + held) stored,
  version bigint not null,
  updated_at timestamptz not null,
  constraint stock_levels_pk primary key (sku, store_id),
  constraint stock_levels_available_not_negative check (available >= 0),
  constraint stock_levels_held_not_negative check (held >= 0)
);

create table stock_movements (
  movement_id bigint generated always as identity,
  occurred_at timestamptz not null,
  sku text not null,
  store_id text not null,
  kind text not null,
  available_delta bigint not null,
  held_delta bigint not null,
  event_id uuid not null,
  reference text,
  notes text,
  actor text,
  constraint stock_movements_pk primary key (movement_id, occurred_at),
  constraint stock_movements_kind_known check (
    kind in ('HOLD_CREATED', 'HOLD_CONFIRMED', 'HOLD_CANCELLED', 'HOLD_EXPIRED', 'EXTERNAL')
  )
) partition by range (occurred_at);
comment on table stock_movements is
  'Append-only. The deltas of a stock add up to its level; EXTERNAL is what no event explains.';
create index stock_movements_by_stock on stock_movements (sku, store_id, movement_id);

-- Takes what no month's partition takes, so that an odd clock never makes an event unrecordable.
create table stock_movements_default partition of stock_movements default;

-- The worker calls it ahead of time. Returns how many partitions it made.
create function make_movement_partitions(first_day date, months integer) returns integer
language plpgsql as $$
declare
  month date;
  name text;
  from_time timestamptz;
  to_time timestamptz;
  made integer := 0;
begin
  for i in 0 .. months - 1 loop
    month := date_trunc('month', first_day) + make_interval(months => i);
    name := 'stock_movements_' || to_char(month, 'YYYY_MM');
    if to_regclass(name) is null then
      from_time := month::timestamp at time zone 'UTC';
      to_time := (month + interval '1 month')::timestamp at time zone 'UTC';
      -- Rows may have come before their partition, into the default one, and there they would forbid it. So
      -- they move, and nobody writes meanwhile.
      lock table stock_movements in share row exclusive mode;
      execute format('create table %I (like stock_movements including defaults including constraints)', name);
      execute format(
        'with moved as (delete from stock_movements_default where occurred_at >= %L and occurred_at < %L '
        'returning *) insert into %I select * from moved', from_time, to_time, name);
      execute format(
        'alter table stock_movements attach partition %I for values from (%L) to (%L)', name, from_time, to_time);
      made := made + 1;
    end if;
  end loop;
  return made;
end;
$$;

create table recorder_progress (
  partition smallint constraint recorder_progress_pk primary key,
  applied_seq bigint not null,
  applied_entry_id text not null,
  updated_at timestamptz not null default now()
);
comment on table recorder_progress is
  'How far each partition is recorded; moves in the recording transaction.';

create table seq_gaps (
  gap_id bigint generated always as identity constraint seq_gaps_pk primary key,
  partition smallint not null,
  seqs int8range not null,
  still_missing int8multirange not null,
  noticed_at timestamptz not null default now()
);
comment on table seq_gaps is
  'Events that were decided but never arrived. still_missing shrinks when they do.';

create table dead_events (
  dead_id bigint generated always as identity constraint dead_events_pk primary key,
  partition smallint not null,
  entry_id text not null,
  seq bigint,
  fields json not null,
  error text not null,
  attempts integer not null,
  failed_at timestamptz not null default now(),
  constraint dead_events_one_for_an_entry unique (partition, entry_id)
);
create index dead_events_by_seq on dead_events (partition, seq);
comment on table dead_events is 'Entries the recorder could not apply, with the reason.';
