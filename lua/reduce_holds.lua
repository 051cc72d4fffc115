#!lua flags=allow-oom
-- Takes units out of live holds, for a batch of independent requests.
-- KEYS  stream, seq, deadlines, generation, rules, customers, own_holds, stopped, waiting; for each
--       request: hold, idem, then for each line: stock, item, then for each line that changes: stock, item
-- ARGV  requests; for each: deadline (ms on Redis's clock), event_id, request_id, hold_id,
--       fingerprint, lines (that it has), then for each line: sku, store_id, quantity; if_version (may be
--       empty), lines (that change, each once), then for each line: sku, store_id, quantity (0 takes it out)
-- Reply {now_ms, tuples}, one of these for each request:
--   CHANGED event_id version expires_at lines  it has these; the event is in the stream
--   CANCELLED event_id version expires_at      it has none left, and so has ended
--   UNCHANGED version expires_at lines         it has these already, nothing done
--   REPLAYED CHANGED|CANCELLED event_id version expires_at (line)  this key did it before
--   IDEMPOTENCY_KEY_REUSED                     the key belongs to another request
--   HOLD_NOT_FOUND
--   HOLD_ALREADY_CONFIRMED
--   HOLD_CANCELLED
--   HOLD_EXPIRED expires_at                    from the deadline on, swept or not
--   VERSION_CONFLICT version                   it is not at if_version
--   STALE_LINES                                these are not the lines that it has, nothing done
--   LATE, RECOVERING, CORRUPT key, BAD_ARGUMENT  as in create_holds
-- What change_holds does, but nothing that takes more: so it may run when Redis is full.
-- include lib/batch.lua
-- include lib/stock.lua
-- include lib/events.lua
-- include lib/lines.lua
-- include lib/idempotency.lua
-- include lib/rules.lua
-- include lib/own_holds.lua
-- include lib/hold_event.lua
-- include lib/serving.lua
-- include lib/ending.lua
-- include lib/alive.lua
-- include lib/changing.lua

local function takes_more(request)
  for _, line in ipairs(request.after) do
    if line.held_delta > 0 then return true end
  end
  return false
end

local function decide()
  local request = next_changing()
  request.good = request.good and not takes_more(request)
  local hold, refused = open_changing(request)
  if not hold then return refused end
  return change(hold, request)
end

local replies = decide_all(decide)
serve_changed()
write_events()
write_stocks()
write_changes()
write_endings()
write_counts()
write_own_holds()
write_waiting()
write_records()
return replies
