-- What customers had of a sku before they were counted.

create table customer_bases (
  -- In the order in which Redis is told: it remembers how far it has come.
  place bigint generated always as identity constraint customer_bases_pk primary key,
  sku text not null,
  user_id text not null,
  units bigint not null,
  active bigint not null,
  recorded_at timestamptz not null default now(),
  constraint customer_bases_not_negative check (units >= 0 and active >= 0)
);
comment on table customer_bases is
  'As of the very event with which the counting of a sku began: Redis counts on from there, and adds these. Kept for a day, should an older copy of Redis come back.';
