-- Who did what: one row for each write of people who run the shop, in the transaction that does it, or that
-- records its event.

create table audit_log (
  deed_id bigint generated always as identity constraint audit_log_pk primary key,
  done_at timestamptz not null default date_trunc('milliseconds', now()),
  who text not null,
  what text not null,
  subject text not null,
  request_id text not null,
  event_id uuid constraint audit_log_event_once unique,
  before json,
  after json
);
comment on table audit_log is
  'Writes of operators and of who keeps stock. Refused ones are not here. Kept for AUDIT_LOG_KEPT_DAYS.';
comment on column audit_log.event_id is 'Of what Redis decided: the recorder has written the row.';
-- Newest first, by any filter: no list goes through what it leaves out.
create index audit_log_by_time on audit_log (done_at, deed_id);
create index audit_log_by_who on audit_log (who, done_at, deed_id);
create index audit_log_by_what on audit_log (what, done_at, deed_id);
create index audit_log_by_both on audit_log (who, what, done_at, deed_id);
-- People do different things. Without knowing which, Postgres would look through all days for what somebody
-- has never done.
create statistics audit_log_pairs (mcv) on who, what from audit_log;

-- A worker that keeps a promise tells who had asked for it. Null: it was promised before this was kept.
alter table initial_stocks add column actor text;
alter table order_returns add column actor text;
