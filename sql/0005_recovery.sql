-- Redis may lose data. Until it was compared with the ledger, and given back what the ledger knows, nothing
-- is decided: an admission opens it again, each with a generation of its own.

alter table recorder_progress
  add column generation integer not null default 0,
  add column seen_seq bigint not null default 0,
  add column refused boolean not null default false;
comment on column recorder_progress.generation is
  'The newest admission of Redis. Events of an older one that come now are refused.';
comment on column recorder_progress.seen_seq is
  'The highest seq that a worker saw in Redis, also when its event was not recorded: tells what was lost.';
comment on column recorder_progress.refused is
  'Events of an older generation came since the newest admission: somewhere is a Redis that missed it.';

create table admissions (
  partition smallint constraint admissions_pk primary key,
  state text not null,
  since timestamptz not null default clock_timestamp(),
  constraint admissions_state_known check (
    state in ('OPEN', 'DRAINING', 'WAITING_FOR_APPROVAL', 'RESTORING', 'CHECKING')
  )
);
comment on table admissions is 'What the worker that admits Redis is doing, for those who look.';

create table recoveries (
  recovery_id bigint generated always as identity constraint recoveries_pk primary key,
  partition smallint not null,
  -- Null until it was raised: an operator may have to agree first.
  generation integer,
  finding text not null,
  -- As Redis was found. The same finding again needs no second approval.
  redis_seq bigint not null,
  events_lost bigint not null default 0,
  report json not null,
  began_at timestamptz not null default clock_timestamp(),
  approved_at timestamptz,
  finished_at timestamptz,
  constraint recoveries_finding_known check (
    finding in ('INTACT', 'EMPTY', 'TAIL_LOST', 'ENTRIES_LOST', 'DIVERGED')
  ),
  constraint recoveries_events_lost_not_negative check (events_lost >= 0)
);
comment on table recoveries is
  'Admissions that had to do more than to let Redis in again, with what was lost and what was given back.';
-- Begun again after a crash, it is the same one.
create unique index recoveries_one_open on recoveries (partition) where finished_at is null;

alter table seq_gaps add column recovery_id bigint;
comment on column seq_gaps.recovery_id is 'The recovery that found them lost: they will not come any more.';

alter table dead_events add column outdated boolean not null default false;
comment on column dead_events.outdated is
  'Redis knows nothing of this event any more, so it must not be recorded, whoever asks.';
