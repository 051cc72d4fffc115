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
-- include lib/rules.lua
-- include lib/own_holds.lua
-- include lib/closed.lua
-- include lib/taking.lua
-- include lib/hold_event.lua
-- include lib/serving.lua
-- include lib/ending.lua

local JITTER_MS_MAX = 60 * 60 * 1000

local OPTIONS = {
  [""] = {},
  PARTIAL = { partial = true },
  REPLACE = { replace = true },
  ["PARTIAL REPLACE"] = { partial = true, replace = true },
}

-- How the hold ends that another one takes the place of.
local ENDED_AS = { due = "EXPIRED", live = "CANCELLED" }

local created, hold_keys = {}, {}

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

-- A request, which becomes the hold, and its deadline; nil when an argument is bad. All members at once, as
-- in next_line, and no more than 16 of them: the next one would double the table, and each batch has many.
local function next_request()
  local deadline, event_id, request_id, hold_id, user_id, terms, fingerprint = next_args(7)
  local request = {
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
  if lost_count then return nil end
  if request.terms.options.replace then request.replaced = next_replaced(request_id) end
  return request.lines and #request.lines > 0 and not lost_count and request.terms.good and request,
    whole(deadline)
end

-- Every line that is short. What is held may come back, and so may be had another time.
local function short_lines(lines, freed)
  local reply = nil
  for i = 1, #lines do
    local line = lines[i]
    local stock = line.stock
    if line.quantity > free_units(stock) + (freed.stock[line.stock_key] or 0) then
      reply = reply or { "ALL_HELD" }
      if stock.held == 0 then reply[1] = "SOLD_OUT" end
      for _, item in ipairs({ line.sku, line.store_id, line.quantity, free_units(stock), stock.held }) do
        reply[#reply + 1] = item
      end
    end
  end
  return reply
end

-- Makes the lines of a PARTIAL request as small as they must be; when nothing would be left they stay as
-- they are, to be refused. What each was granted goes into the answer.
local function shrink(request, freed)
  local taken, kept, granted = {}, {}, {}
  for i, line in ipairs(request.lines) do
    local units = math.min(line.quantity, free_units(line.stock) + (freed.stock[line.stock_key] or 0))
    local allowed = units_allowed(line.sku, request.user_id, taken[line.sku] or 0, freed)
    units = math.min(units, allowed or units)
    granted[i], taken[line.sku] = units, (taken[line.sku] or 0) + units
    if units > 0 then kept[#kept + 1] = { line = line, units = units } end
  end
  if #kept == 0 then return end
  request.granted, request.lines = granted, {}
  for i, keep in ipairs(kept) do
    keep.line.quantity = keep.units
    request.lines[i] = keep.line
  end
end

-- Whether a hold has any of the skus asked for. The ledger may have named one that was changed since.
local function has_any_of(lines, wanted)
  local skus = {}
  for _, line in ipairs(wanted) do skus[line.sku] = true end
  for _, line in ipairs(lines) do
    if skus[line.sku] then return true end
  end
  return false
end

-- The hold that this one takes the place of; nil and false when there is none, nil and a reply when it can't
-- be told.
local function find_replaced(request)
  local own, replaced = false, request.replaced
  for i = 1, #request.lines do own = own or own_hold_of(request.lines[i].sku, request.user_id) end
  if own and (not replaced or replaced.hold_id ~= own) then return nil, { "STALE_LINES" } end
  if not replaced then return nil, false end
  local hold = read_hold(replaced.hold_key, replaced.hold_id)
  if not hold then return nil, { "CORRUPT", replaced.hold_key } end
  if hold.status ~= "ACTIVE" or hold.user_id ~= request.user_id then return nil, false end
  if hold.lines ~= lines_text(replaced.lines) then return nil, { "STALE_LINES" } end
  if not has_any_of(replaced.lines, request.lines) then return nil, false end
  local corrupt = read_stocks(replaced.lines)
    or read_rules(replaced.lines, request.user_id)
    or unheld_item(replaced.lines)
  if corrupt then return nil, { "CORRUPT", corrupt } end
  return hold, false
end

-- A line that counts for its customer's limits, or is to be found by them.
local function note_customer(line, request)
  count_customer(line.sku, request.user_id, line.quantity, 1)
  local found_by_customer = request.terms.options.replace or rules_of(line.sku)
  if found_by_customer and request.user_id ~= "" then
    set_own_hold(line.sku, request.user_id, request.hold_id)
  end
end

local function create(request)
  local lines, granted = request.lines, ""
  local noted = filled[rules_key] or request.terms.options.replace
  for i = 1, #lines do
    local line = lines[i]
    change_stock(line.stock, -line.quantity, line.quantity)
    if noted then note_customer(line, request) end
  end
  local terms = request.terms
  local expires_at = now + hold_ms_of(lines, terms.ttl_ms, terms.usual_ttl_ms, terms.jitter_ms)
  request.expires_at = format("%d", expires_at)
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

local function decide()
  local request, deadline = next_request()
  if not request or not deadline then return { "BAD_ARGUMENT" } end
  if now > deadline then return { "LATE" } end

  local corrupt = corrupt_key or read_stocks(request.lines)
    or (is_ruled and read_rules(request.lines, request.user_id))
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
  local corrupt_queue = waiting and serve_lines(request.lines)
  if corrupt_queue then return { "CORRUPT", corrupt_queue } end
  local replaced, stale = nil, false
  if request.terms.options.replace then replaced, stale = find_replaced(request) end
  if stale then return stale end
  local freed = replaced and freed_by(request.replaced.lines) or NOTHING_FREED
  if request.terms.options.partial then shrink(request, freed) end
  local refused = is_ruled and rules_reply(request.lines, request.user_id, 1, freed)
    or short_lines(request.lines, freed)
  if refused then return refused end
  if replaced then
    local due = now >= whole(replaced.expires_at)
    local status = due and ENDED_AS.due or ENDED_AS.live
    end_hold(replaced, request.replaced, status, due and "" or ',"reason":"replaced"')
  end
  return create(request)
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
serve_changed() -- a hold that was replaced may have had more
write_events()
write_stocks()
write_holds()
write_endings()
write_counts()
write_own_holds()
write_waiting()
write_records()
return replies
