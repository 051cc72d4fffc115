#!lua
-- Takes stock and creates holds, for a batch of independent requests.
-- KEYS  stream, seq, deadlines, generation, rules, customers, own_holds, stopped, waiting; for each
--       request: hold, idem, then for each line: stock, item
-- ARGV  requests; for each: deadline (ms on Redis's clock), event_id, request_id, hold_id, user_id,
--       ttl_ms (may be empty), usual_ttl_ms, jitter_ms, fingerprint, lines, then for each line: sku,
--       store_id, quantity
-- Reply {now_ms, tuples}, one of these for each request:
--   CREATED hold_id expires_at created_at      taken; the event is in the stream
--   REPLAYED hold_id expires_at created_at     this key did it before
--   IDEMPOTENCY_KEY_REUSED                     the key belongs to another request
--   UNKNOWN_SKU sku                            nobody has stocked it
--   SALE_PAUSED sku
--   SALE_NOT_OPEN sku opens_at
--   SALE_CLOSED sku closes_at
--   LIMIT_EXCEEDED sku rule limit left
--   CUSTOMER_REQUIRED sku                      it has a limit per customer, and nobody is named
--   SOLD_OUT (sku store_id requested available) for each short line
--   LATE                                       the deadline has passed, nothing done
--   CORRUPT key                                a key holds something else than it should, nothing done
--   RECOVERING                                 Redis is not admitted, nothing of the batch done
--   BAD_ARGUMENT                               nothing done
-- Every request is decided before the first write, so a refused one never leaves half of itself behind.
-- include lib/batch.lua
-- include lib/stock.lua
-- include lib/events.lua
-- include lib/lines.lua
-- include lib/idempotency.lua
-- include lib/rules.lua
-- include lib/taking.lua
-- include lib/hold_event.lua

local TTL_MS_MAX, JITTER_MS_MAX = 24 * 60 * 60 * 1000, 60 * 60 * 1000

local created, hold_keys = {}, {}

local function is_ttl(ms)
  return ms and ms >= 1 and ms <= TTL_MS_MAX
end

-- A request, which becomes the hold: all members at once, as in next_line.
local function next_request()
  local request = {
    hold_key = next_key(),
    idem_key = next_key(),
    deadline = whole(next_arg()),
    event_id = next_arg(),
    request_id = next_arg(),
    hold_id = next_arg(),
    user_id = next_arg(),
    ttl_ms = next_arg(),
    usual_ttl_ms = whole(next_arg()),
    jitter_ms = whole(next_arg()),
    fingerprint = next_arg(),
    lines = next_lines(),
    status = "ACTIVE",
    created_at = now_text,
    expires_at = false,
    version = "1",
    good = false,
  }
  local lines, asked = request.lines, request.ttl_ms ~= ""
  if asked then request.ttl_ms = whole(request.ttl_ms) else request.ttl_ms = nil end
  request.good = request.deadline and lines and #lines > 0
    and is_ttl(request.usual_ttl_ms) and (not asked or is_ttl(request.ttl_ms))
    and request.jitter_ms and request.jitter_ms <= JITTER_MS_MAX
  return request
end

local function short_lines(lines)
  local reply = nil
  for i = 1, #lines do
    local line = lines[i]
    if line.quantity > line.stock.available then
      reply = reply or { "SOLD_OUT" }
      for _, item in ipairs({ line.sku, line.store_id, line.quantity, line.stock.available }) do
        reply[#reply + 1] = item
      end
    end
  end
  return reply
end

local function create(request)
  local lines = request.lines
  for i = 1, #lines do
    local line = lines[i]
    change_stock(line.stock, -line.quantity, line.quantity)
    count_customer(line.sku, request.user_id, line.quantity, 1)
  end
  local expires_at = now + hold_ms_of(lines, request.ttl_ms, request.usual_ttl_ms) + request.jitter_ms
  request.expires_at = format("%d", expires_at)
  local record = remember(request.idem_key, request.fingerprint,
    " " .. request.hold_id .. " " .. request.expires_at .. " " .. now_text)
  add_event(request.event_id, "HOLD_CREATED", hold_payload(request, request.request_id, lines, record))
  created[#created + 1] = request
  hold_keys[request.hold_key] = true
  return { "CREATED", request.hold_id, expires_at, now }
end

local function decide()
  local request = next_request()
  if not request.good then return { "BAD_ARGUMENT" } end
  if now > request.deadline then return { "LATE" } end

  local corrupt = corrupt_key or read_stocks(request.lines) or read_rules(request.lines, request.user_id)
  if corrupt then return { "CORRUPT", corrupt } end

  local answer = earlier_answer(request.idem_key, request.fingerprint)
  if answer then return answer end
  if hold_keys[request.hold_key] or call("EXISTS", request.hold_key) == 1 then
    return { "CORRUPT", request.hold_key }
  end

  for i = 1, #request.lines do
    local line = request.lines[i]
    if not line.stock.known then return { "UNKNOWN_SKU", line.sku } end
  end
  return rules_reply(request.lines, request.user_id, 1) or short_lines(request.lines) or create(request)
end

-- A live hold's key has no TTL: when Redis dropped it, its units would be gone for good.
local function write_holds()
  local deadlines = {}
  for i = 1, #created do
    local hold = created[i]
    call("HSET", hold.hold_key, "status", hold.status, "lines", lines_text(hold.lines),
      "user_id", hold.user_id, "created_at", hold.created_at, "expires_at", hold.expires_at,
      "version", hold.version)
    deadlines[2 * i - 1], deadlines[2 * i] = hold.expires_at, hold.hold_id
  end
  call_with_all("ZADD", deadlines_key, deadlines)
end

local replies = decide_all(decide)
write_events()
write_stocks()
write_holds()
write_counts()
write_records()
return replies
