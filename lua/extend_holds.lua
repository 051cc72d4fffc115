#!lua
-- Gives holds more time, for a batch of independent requests.
-- KEYS  stream, seq, deadlines, generation, rules, customers, own_holds, stopped, waiting; for each
--       request: hold, idem, then for each line: stock, item
-- ARGV  requests; for each: deadline (ms on Redis's clock), event_id, request_id, hold_id,
--       fingerprint, lines, then for each line: sku, store_id, quantity; ttl_ms
-- Reply {now_ms, tuples}, one of these for each request:
--   EXTENDED event_id expires_at max_expires_at left  it ends then; the event is in the stream
--   UNCHANGED expires_at max_expires_at left   it would not end later than it does, nothing done
--   REPLAYED event_id expires_at max_expires_at left  this key did it before
--   IDEMPOTENCY_KEY_REUSED                     the key belongs to another request
--   HOLD_NOT_FOUND
--   HOLD_ALREADY_CONFIRMED
--   HOLD_CANCELLED
--   HOLD_EXPIRED expires_at                    from the deadline on, swept or not
--   LIMIT_EXCEEDED sku max_extensions limit left  it was extended as often as it may be
--   STALE_LINES                                these are not the hold's lines, nothing done
--   LATE, RECOVERING, CORRUPT key, BAD_ARGUMENT  as in create_holds
-- A sale that is paused or closed stops nobody who is paying. The idempotency key is what tells our own lost
-- reply, so there always is one.
-- include lib/batch.lua
-- include lib/stock.lua
-- include lib/events.lua
-- include lib/lines.lua
-- include lib/idempotency.lua
-- include lib/rules.lua
-- include lib/own_holds.lua
-- include lib/hold_event.lua
-- include lib/ending.lua
-- include lib/alive.lua

-- Where no rule says otherwise.
local EXTENSIONS_DEFAULT = 10

local extended = {}

local function extend(hold, request, expires_at, max_expires_at, left)
  hold.expires_at = format("%d", expires_at)
  hold.version = format("%d", whole(hold.version) + 1)
  hold.extensions = format("%d", whole(hold.extensions or "0") + 1)
  local record = remember(request.idem_key, request.fingerprint,
    " " .. request.event_id .. format(" %d %d %d", expires_at, max_expires_at, left))
  add_event(request.event_id, "HOLD_EXTENDED",
    hold_payload(hold, request.request_id, request.lines, record))
  extended[#extended + 1] = hold
  return { "EXTENDED", request.event_id, expires_at, max_expires_at, left }
end

local function decide()
  local request = next_ending()
  local ttl_ms = whole(next_arg())
  request.good = request.good and request.idem_key and ttl_ms and ttl_ms >= 1 and ttl_ms <= HOLD_MS_MAX
  local hold, refused = open_hold(request)
  if not hold then return refused end

  local answer = earlier_answer(request.idem_key, request.fingerprint) or not_alive_reply(hold)
  if answer then return answer end

  local limit, sku = least_rule(request.lines, "max_extensions")
  limit = limit or EXTENSIONS_DEFAULT
  local left = math.max(0, limit - whole(hold.extensions or "0"))
  local expires_at = whole(hold.expires_at)
  -- Rules that came later may let it have less than it has: nobody takes time away.
  local max_expires_at = math.max(expires_at, whole(hold.created_at) + hold_ms_max_of(request.lines))
  local wanted = math.min(now + ttl_ms, max_expires_at)

  if wanted <= expires_at then return { "UNCHANGED", expires_at, max_expires_at, left } end
  if left == 0 then
    return { "LIMIT_EXCEEDED", sku or request.lines[1].sku, "max_extensions", limit, 0 }
  end
  return extend(hold, request, wanted, max_expires_at, left - 1)
end

local function write_extensions()
  for _, hold in ipairs(extended) do
    call("HSET", hold.hold_key, "expires_at", hold.expires_at, "version", hold.version,
      "extensions", hold.extensions)
    call("ZADD", deadlines_key, hold.expires_at, hold.hold_id)
  end
end

local replies = decide_all(decide)
write_events()
write_extensions()
write_records()
return replies
