-- The audit: the worker goes round all stocks and compares what Redis has with the movements, and these with
-- the levels. What a stock's movements add up to is kept, and only added to.

create table audited_stocks (
  sku text not null,
  store_id text not null,
  recorded_id bigint not null,
  version bigint not null,
  stocked bigint not null,
  adjusted bigint not null,
  returned bigint not null,
  sold bigint not null,
  available bigint not null,
  held bigint not null,
  held_outside bigint not null,
  summed_at timestamptz not null default now(),
  constraint audited_stocks_pk primary key (sku, store_id)
) with (fillfactor = 85);
comment on table audited_stocks is
  'What each stock''s movements up to recorded_id add up to. Without its row a stock is added up anew.';
comment on column audited_stocks.held_outside is
  'Part of held: units that no event has held, since somebody changed the field by hand.';

create table audit_findings (
  finding_id bigint generated always as identity constraint audit_findings_pk primary key,
  sku text not null,
  store_id text not null,
  kind text not null,
  ledger_available bigint not null,
  ledger_held bigint not null,
  ledger_version bigint not null,
  level_available bigint,
  level_held bigint,
  level_version bigint,
  redis_available bigint,
  redis_held bigint,
  redis_version bigint,
  found_at timestamptz not null default now(),
  last_seen_at timestamptz not null default now(),
  gone_at timestamptz,
  constraint audit_findings_kind_known check (
    kind in ('CORRUPT', 'LEDGER_SUM', 'CONSERVATION', 'REDIS_AHEAD', 'REDIS_BEHIND', 'HELD',
      'CHANGED_OUTSIDE')
  )
);
comment on table audit_findings is
  'Stocks on which both sides disagree, with what each says. gone_at: when they no longer did.';
create unique index audit_findings_open on audit_findings (sku, store_id) where gone_at is null;
create index audit_findings_gone on audit_findings (gone_at) where gone_at is not null;

create table audit_progress (
  partition smallint constraint audit_progress_pk primary key,
  -- Stocks that moved up to here were looked at, or are left to the round.
  recorded_id bigint not null default 0,
  looked_at timestamptz,
  rounds bigint not null default 0,
  round_began_at timestamptz,
  round_stocks bigint not null default 0,
  last_sku text not null default '',
  last_store_id text not null default '',
  last_round_began_at timestamptz,
  last_round_ended_at timestamptz,
  last_round_stocks bigint
);
comment on table audit_progress is
  'How far the audit is in its round through all stocks, and how the last one was.';
