-- When all that limits sales was last looked at, as last_round_ended_at tells it of the stocks: so that a
-- round which never ends is noticed.
alter table audit_progress add column last_sale_round_ended_at timestamptz;
