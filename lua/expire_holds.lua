#!lua flags=allow-oom
-- Gives back the units of holds whose deadline has passed, for a batch the sweeper found due.
-- KEYS  stream, seq, deadlines, generation, rules, customers, own_holds, stopped, waiting; for each
--       request: hold, then for each line: stock, item
-- ARGV  requests; for each: deadline (ms on Redis's clock), event_id, request_id, hold_id,
--       fingerprint (always empty), lines, then for each line: sku, store_id, quantity
-- Reply {now_ms, tuples}, one of these for each request:
--   EXPIRED                                    given back; the event is in the stream
--   NOT_DUE                                    its deadline is still to come
--   ENDED                                      it had ended before
--   HOLD_NOT_FOUND                             a deadline without a hold: units may be missing
--   STALE_LINES                                these are not the hold's lines, nothing done
--   LATE, RECOVERING, CORRUPT key, BAD_ARGUMENT  as in create_holds
-- A hold that can't be expired leaves the head of the deadlines, or it would keep the sweeper from all
-- those behind it: one without a hold for good, a corrupt one for a minute, an early one until it is due.
-- include lib/batch.lua
-- include lib/stock.lua
-- include lib/events.lua
-- include lib/lines.lua
-- include lib/rules.lua
-- include lib/own_holds.lua
-- include lib/hold_event.lua
-- include lib/serving.lua
-- include lib/ending.lua

local CORRUPT_RETRY_MS = 60 * 1000

local left, later = {}, {}

local function look_again(hold_id, at)
  later[#later + 1] = { hold_id = hold_id, at = at }
end

local function decide()
  local request = next_ending()
  local hold, refused = open_hold(request)
  if not hold then
    if refused[1] == "CORRUPT" and not corrupt_key then
      look_again(request.hold_id, format("%d", now + CORRUPT_RETRY_MS))
    end
    return refused
  end
  if hold.status ~= "ACTIVE" then
    left[#left + 1] = request.hold_id
    return { hold.status and "ENDED" or "HOLD_NOT_FOUND" }
  end
  if now < whole(hold.expires_at) then
    look_again(request.hold_id, hold.expires_at)
    return { "NOT_DUE" }
  end
  end_hold(hold, request, "EXPIRED", "")
  return { "EXPIRED" }
end

local replies = decide_all(decide)
serve_changed()
write_events()
write_stocks()
write_endings()
write_counts()
write_own_holds()
write_waiting()
call_with_all("ZREM", deadlines_key, left)
for _, hold in ipairs(later) do
  call("ZADD", deadlines_key, "XX", hold.at, hold.hold_id)
end
return replies
