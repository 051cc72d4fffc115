#!lua
-- Takes stock and creates holds, for a batch of independent requests.
-- KEYS  stream, seq, deadlines; for each request: hold, idem, then for each line: stock, item
-- ARGV  requests; for each: deadline (ms on Redis's clock), event_id, request_id, hold_id, user_id, ttl_ms,
--       fingerprint, lines, then for each line: sku, store_id, quantity
-- Reply {now_ms, tuples}, one of these for each request:
--   CREATED hold_id expires_at                 taken; the event is in the stream
--   REPLAYED hold_id expires_at                this key did it before
--   IDEMPOTENCY_KEY_REUSED                     the key belongs to another request
--   UNKNOWN_SKU sku                            nobody has stocked it
--   SOLD_OUT (sku store_id requested available) for each short line
--   LATE                                       the deadline has passed, nothing done
--   CORRUPT key                                a key holds something else than it should, nothing done
--   BAD_ARGUMENT                               nothing done
-- Every request is decided before the first write, so a refused one never leaves half of itself behind.
-- include lib/batch.lua
-- include lib/stock.lua
-- include lib/events.lua
-- include lib/lines.lua
-- include lib/idempotency.lua
-- include lib/hold_event.lua

-- Far past any deadline: the last resort against holds that nobody ever swept.
local HOLD_LEFT_MS = 30 * 24 * 60 * 60 * 1000
local TTL_MS_MAX = 24 * 60 * 60 * 1000

local created, hold_keys = {}, {}

local function next_request()
  local request = { hold_key = next_key(), idem_key = next_key() }
  request.deadline = whole(next_arg())
  request.event_id, request.request_id = next_arg(), next_arg()
  request.hold_id, request.user_id = next_arg(), next_arg()
  request.ttl_ms = whole(next_arg())
  request.fingerprint = next_arg()
  request.lines = next_lines()
  local ttl_ms = request.ttl_ms
  request.good = request.deadline and request.lines and #request.lines > 0
    and ttl_ms and ttl_ms >= 1 and ttl_ms <= TTL_MS_MAX
  return request
end

local function short_lines(lines)
  local reply = { "SOLD_OUT" }
  for _, line in ipairs(lines) do
    if line.quantity > line.stock.available then
      for _, item in ipairs({ line.sku, line.store_id, line.quantity, line.stock.available }) do
        reply[#reply + 1] = item
      end
    end
  end
  return #reply > 1 and reply or nil
end

local function create(request)
  for _, line in ipairs(request.lines) do change_stock(line.stock, -line.quantity, line.quantity) end
  local hold = {
    hold_id = request.hold_id,
    status = "ACTIVE",
    user_id = request.user_id,
    created_at = now,
    expires_at = now + request.ttl_ms,
    version = 1,
  }
  add_event(request.event_id, "HOLD_CREATED", hold_payload(hold, request.request_id, request.lines, ""))
  request.expires_at = string.format("%d", hold.expires_at)
  remember(request.idem_key, request.fingerprint, request.hold_id, request.expires_at)
  created[#created + 1] = request
  hold_keys[request.hold_key] = true
  return { "CREATED", request.hold_id, hold.expires_at }
end

local function decide()
  local request = next_request()
  if not request.good then return { "BAD_ARGUMENT" } end
  if now > request.deadline then return { "LATE" } end

  local corrupt = corrupt_key or read_stocks(request.lines)
  if corrupt then return { "CORRUPT", corrupt } end

  local answer = earlier_answer(request.idem_key, request.fingerprint)
  if answer then return answer end
  if hold_keys[request.hold_key] or redis.call("EXISTS", request.hold_key) == 1 then
    return { "CORRUPT", request.hold_key }
  end

  for _, line in ipairs(request.lines) do
    if not line.stock.known then return { "UNKNOWN_SKU", line.sku } end
  end
  return short_lines(request.lines) or create(request)
end

local function write_holds()
  for _, request in ipairs(created) do
    redis.call("HSET", request.hold_key, "status", "ACTIVE", "lines", lines_text(request.lines),
      "user_id", request.user_id, "created_at", string.format("%d", now),
      "expires_at", request.expires_at, "version", "1")
    redis.call("PEXPIREAT", request.hold_key, string.format("%d", request.expires_at + HOLD_LEFT_MS))
    redis.call("ZADD", deadlines_key, request.expires_at, request.hold_id)
  end
end

local replies = decide_all(decide)
write_events()
write_stocks()
write_holds()
write_records()
return replies
