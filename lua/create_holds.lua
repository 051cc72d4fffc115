#!lua
-- Takes stock and creates holds, for a batch of independent requests.
-- KEYS  stream, seq, deadlines, generation, rules, customers, own_holds, stopped, waiting; for each
--       request: hold, idem, then for each line: stock, item; and with REPLACE: hold (the replaced one), then
--       for each line: stock, item
-- ARGV  requests; for each: deadline (ms on Redis's clock), event_id, request_id, hold_id, user_id,
--       terms (ttl_ms that may be empty, usual_ttl_ms, jitter_ms and options, joined by slashes; options are
--       the words PARTIAL and REPLACE), fingerprint, lines, then for each line: sku, store_id, quantity; and
--       with REPLACE: event_id, hold_id (of the replaced one; empty when there is none), lines, then for
--       each line: sku, store_id, quantity
-- Reply {now_ms, tuples}, one of these for each request:
--   CREATED hold_id expires_at created_at      taken; the event is in the stream. With PARTIAL, then what
--                                              each line was granted
--   REPLAYED hold_id expires_at created_at     this key did it before; with PARTIAL as above
--   IDEMPOTENCY_KEY_REUSED                     the key belongs to another request
--   UNKNOWN_SKU sku                            nobody has stocked it
--   SALE_PAUSED sku
--   SALE_NOT_OPEN sku opens_at
--   SALE_CLOSED sku closes_at
--   LIMIT_EXCEEDED sku rule limit left
--   CUSTOMER_REQUIRED sku                      it has a limit per customer, and nobody is named
--   SOLD_OUT (sku store_id requested available held) for each short line
--   ALL_HELD (sku store_id requested available held)  likewise, when each of them has units held
--   STALE_LINES                                the hold to be replaced is another one, or has other lines
--   LATE                                       the deadline has passed, nothing done
--   CORRUPT key                                a key holds something else than it should, nothing done
--   RECOVERING                                 Redis is not admitted, nothing of the batch done
--   BAD_ARGUMENT                               nothing done
-- Every request is decided before the first write, so a refused one never leaves half of itself behind.
-- PARTIAL takes what there is and what the rules allow, at least one unit. REPLACE ends the customer's own
-- hold of the first of these skus that has one, in the same step: a refusal leaves it as it is.
-- include lib/batch.lua
-- include lib/stock.lua
-- include lib/events.lua
-- include lib/lines.lua
-- include lib/idempotency.lua
-- include lib/hold_event.lua

local JITTER_MS_MAX = 60 * 60 * 1000

local OPTIONS = {
  [""] = {},
  PARTIAL = { partial = true },
  REPLACE = { replace = true },
  ["PARTIAL REPLACE"] = { partial = true, replace = true },
}

local requests, created, hold_keys = {}, {}, {}
-- Whether there is more to be decided than whether there are units; an option of any request says so, too.
local has_conditions = filled[rules_key] or filled[stopped_key] or filled[waiting_key]

local function is_ttl(ms)
  return ms and ms >= 1 and ms <= HOLD_MS_MAX
end

local terms_by_text = {}

-- How long and how a hold is asked for; nil when it isn't known how. Nearly all requests of a batch have the
-- same terms, which is why they are one argument.
local function terms_of(text)
  local known = terms_by_text[text]
  if known then return known end
  local ttl, usual_ttl, jitter, options = string.match(text or "", "^([^/]*)/([^/]*)/([^/]*)/([^/]*)$")
  if not OPTIONS[options] then return nil end
  local terms = {
    ttl_ms = whole(ttl),
    usual_ttl_ms = whole(usual_ttl),
    jitter_ms = whole(jitter),
    options = OPTIONS[options],
    good = false,
  }
  terms.good = is_ttl(terms.usual_ttl_ms) and (ttl == "" or is_ttl(terms.ttl_ms))
    and terms.jitter_ms and terms.jitter_ms <= JITTER_MS_MAX
  terms_by_text[text] = terms
  has_conditions = has_conditions or options ~= ""
  return terms
end

-- The hold that this one takes the place of, as an ending of it; nil when there is none.
local function next_replaced(request_id)
  local replaced = {
    event_id = next_arg(),
    hold_id = next_arg(),
    request_id = request_id,
    hold_key = nil,
    lines = nil,
  }
  if replaced.hold_id == "" then return nil end
  replaced.hold_key = next_key()
  replaced.lines = next_lines()
  return replaced
end

-- A request, which becomes the hold; false when an argument is bad. All members at once, as in next_line, and
-- no more than 16 of them: the next one would double the table, and each batch has many.
local function next_request()
  local deadline, event_id, request_id, hold_id, user_id, terms, fingerprint = next_args(7)
  local request = {
    deadline = whole(deadline),
    hold_key = next_key(),
    idem_key = next_key(),
    event_id = event_id,
    request_id = request_id,
    hold_id = hold_id,
    user_id = user_id,
    terms = terms_of(terms),
    fingerprint = fingerprint,
    lines = next_lines(),
    status = "ACTIVE",
    created_at = now_text,
    expires_at = false,
    version = "1",
  }
  -- Without terms it is not known whether those of another hold follow.
  lost_count = lost_count or not request.terms
  if lost_count then return false end
  if request.terms.options.replace then request.replaced = next_replaced(request_id) end
  local good = request.lines and #request.lines > 0 and not lost_count and request.terms.good
    and (not request.replaced or request.replaced.lines)
  return good and request.idem_key and request.deadline and request or false
end

-- Takes all requests; returns whether nothing is kept yet under any key of theirs. In a sale hardly one is a
-- repetition: asked for all of them at once, that is two commands less for each.
local function all_are_new()
  local keys = {}
  for i = 1, request_count(next_arg()) do
    local request = next_request()
    requests[i] = request
    if request then keys[#keys + 1], keys[#keys + 2] = request.hold_key, request.idem_key end
  end
  for first = 1, #keys, 1000 do
    if call("EXISTS", unpack(keys, first, math.min(first + 999, #keys))) > 0 then return false end
  end
  return true
end

-- Every line that is short, with units by stock key that another hold makes room for. What is held may come
-- back, and so may be had another time.
local function short_lines(lines, freed_units)
  local reply = nil
  for i = 1, #lines do
    local line = lines[i]
    local stock = line.stock
    if line.quantity > free_units(stock) + (freed_units[line.stock_key] or 0) then
      reply = reply or { "ALL_HELD" }
      if stock.held == 0 then reply[1] = "SOLD_OUT" end
      for _, item in ipairs({ line.sku, line.store_id, line.quantity, free_units(stock), stock.held }) do
        reply[#reply + 1] = item
      end
    end
  end
  return reply
end

-- None of it is made where it isn't needed, as in the hottest minute: a call pays for each function it makes.
local function make_conditions()
  -- include lib/conditions.lua
  return {
    read_rules = read_rules,
    refusal = refusal,
    hold_ms = hold_ms_of,
    note = note_customer,
    finish = serve_changed,
    write = write_changes,
  }
end
all_new = all_are_new()
local conditions = has_conditions and make_conditions()

local NONE_FREED = {}

local function refusal_of(request)
  if conditions then return conditions.refusal(request) end
  return short_lines(request.lines, NONE_FREED)
end

local expiry_texts = {} -- most of a batch end at the same moment

local function expiry_text(expires_at)
  local text = expiry_texts[expires_at] or format("%d", expires_at)
  expiry_texts[expires_at] = text
  return text
end

local function create(request)
  local lines, terms, granted = request.lines, request.terms, ""
  for i = 1, #lines do
    local line = lines[i]
    change_stock(line.stock, -line.quantity, line.quantity)
    if conditions then conditions.note(line, request) end
  end
  local hold_ms = conditions and conditions.hold_ms(lines, terms.ttl_ms, terms.usual_ttl_ms, terms.jitter_ms)
    or math.min((terms.ttl_ms or terms.usual_ttl_ms) + terms.jitter_ms, HOLD_MS_MAX)
  local expires_at = now + hold_ms
  request.expires_at = expiry_text(expires_at)
  local reply = { "CREATED", request.hold_id, expires_at, now }
  if request.granted then
    for i, units in ipairs(request.granted) do
      granted = granted .. format(" %d", units)
      reply[4 + i] = units
    end
  end
  local record = remember(request.idem_key, request.fingerprint,
    " " .. request.hold_id .. " " .. request.expires_at .. " " .. now_text .. granted)
  add_event(request.event_id, "HOLD_CREATED", hold_payload(request, request.request_id, lines, record))
  created[#created + 1] = request
  hold_keys[request.hold_key] = true
  return reply
end

local function decide(place)
  local request = requests[place]
  if not request then return { "BAD_ARGUMENT" } end
  if now > request.deadline then return { "LATE" } end

  local corrupt = corrupt_key or read_stocks(request.lines)
    or (conditions and conditions.read_rules(request.lines, request.user_id))
  if corrupt then return { "CORRUPT", corrupt } end

  local answer = earlier_answer(request.idem_key, request.fingerprint)
  if answer then return answer end
  if hold_keys[request.hold_key] or (not all_new and call("EXISTS", request.hold_key) == 1) then
    return { "CORRUPT", request.hold_key }
  end

  for i = 1, #request.lines do
    local line = request.lines[i]
    if not line.stock.known then return { "UNKNOWN_SKU", line.sku } end
  end
  return refusal_of(request) or create(request)
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

local replies = decide_all(decide, #requests)
if conditions then conditions.finish() end
write_events()
write_stocks()
write_holds()
if conditions then conditions.write() end
write_records()
return replies
