#!lua flags=allow-oom
-- Gives the units of holds back for the caller, for a batch of independent requests.
-- KEYS  stream, seq, deadlines, generation, rules, customers, own_holds, stopped, waiting; for each
--       request: hold, idem (only with a fingerprint), then for each line: stock, item
-- ARGV  requests; for each: deadline (ms on Redis's clock), event_id, request_id, hold_id,
--       fingerprint (may be empty), lines, then for each line: sku, store_id, quantity; reason (may be empty)
-- Reply {now_ms, tuples}, one of these for each request:
--   CANCELLED                                  given back; the event is in the stream. Asked again with the
--                                              same event_id, as when its reply was lost: the same
--   EXPIRED                                    its deadline had passed, so it ended as expired, just now
--   REPLAYED CANCELLED|EXPIRED                 it had ended before
--   IDEMPOTENCY_KEY_REUSED                     the key belongs to another request
--   HOLD_NOT_FOUND
--   HOLD_ALREADY_CONFIRMED
--   STALE_LINES                                these are not the hold's lines, nothing done
--   LATE, RECOVERING, CORRUPT key, BAD_ARGUMENT  as in create_holds
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

local function decide()
  local request = next_ending()
  local reason = next_arg()
  request.good = request.good and reason
  local hold, refused = open_hold(request)
  if not hold then return refused end

  if hold.ended_by == request.event_id then return { hold.status } end
  local answer = earlier_answer(request.idem_key, request.fingerprint)
  if answer then return answer end

  if not hold.status then return { "HOLD_NOT_FOUND" } end
  if hold.status == "CONFIRMED" then return { "HOLD_ALREADY_CONFIRMED" } end
  if hold.status ~= "ACTIVE" then return { "REPLAYED", hold.status } end

  local status = now >= whole(hold.expires_at) and "EXPIRED" or "CANCELLED"
  local more = reason ~= "" and ',"reason":' .. cjson.encode(reason) or ""
  end_hold(hold, request, status, more .. remember(request.idem_key, request.fingerprint, " " .. status))
  return { status }
end

local replies = decide_all(decide)
serve_changed()
write_events()
write_stocks()
write_endings()
write_counts()
write_own_holds()
write_waiting()
write_records()
return replies
