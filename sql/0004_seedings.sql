-- How far each file of catalogue was seeded. Not in Redis: products are made in the same transaction.

create table seedings (
  file_sha256 text constraint seedings_pk primary key,
  run integer not null default 1,
  lines_done integer not null default 0,
  lines_begun integer not null default 0,
  begun_at timestamptz not null default now(),
  finished_at timestamptz,
  constraint seedings_done_after_begun check (0 <= lines_done and lines_done <= lines_begun),
  constraint seedings_finished_when_done check (finished_at is null or lines_done = lines_begun)
);
comment on table seedings is
  'Lines up to lines_done are decided, those up to lines_begun may be. The seeding goes on from there.';
