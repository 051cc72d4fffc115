-- Holds that are given more time.

alter table holds add column extensions integer not null default 0;
alter table holds add constraint holds_extensions_not_negative check (extensions >= 0);
