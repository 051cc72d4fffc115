-- The audit looks at what a sale is limited by as well: its rules, what customers have, and who waits.

alter table audit_findings drop constraint audit_findings_kind_known;
alter table audit_findings
  add constraint audit_findings_kind_known check (
    kind in ('CORRUPT', 'LEDGER_SUM', 'CONSERVATION', 'REDIS_AHEAD', 'REDIS_BEHIND', 'HELD',
      'CHANGED_OUTSIDE', 'RULES', 'CUSTOMER_COUNT', 'OWN_HOLD', 'QUEUE', 'WAITER')
  ),
  -- What it is about: a stock can drift in one way at a time, a sale in each way by itself.
  add column about text not null generated always as (
    case when kind in ('RULES', 'CUSTOMER_COUNT', 'OWN_HOLD', 'QUEUE', 'WAITER') then kind else 'STOCK' end
  ) stored,
  -- Each empty where it is not about one.
  add column user_id text not null default '',
  add column waiter_id text not null default '',
  add column ledger_says text,
  add column redis_says text,
  add column recount_requested_at timestamptz,
  alter column ledger_available drop not null,
  alter column ledger_held drop not null,
  alter column ledger_version drop not null,
  add constraint audit_findings_stock_counted check (
    about <> 'STOCK'
    or ledger_available is not null and ledger_held is not null and ledger_version is not null
  );
comment on table audit_findings is
  'Stocks and sales on which both sides disagree, with what each says. gone_at: when they no longer did.';
comment on column audit_findings.recount_requested_at is
  'When somebody asked for a count of a customer to be put right: the audit does, when it next looks at it.';
drop index audit_findings_open;
create unique index audit_findings_open on audit_findings (sku, store_id, user_id, waiter_id, about)
  where gone_at is null;

alter table audit_progress add column sale_rounds bigint not null default 0;

-- What puts a count right that is too high is below zero.
alter table customer_bases drop constraint customer_bases_not_negative;
comment on table customer_bases is
  'What Redis adds to its counts, in this order: what customers had of a sku, as of the very event with which its counting began, and what puts a count right. Kept for a day, should an older copy of Redis come back.';
