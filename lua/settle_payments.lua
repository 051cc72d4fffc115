#!lua flags=allow-oom
-- Sells holds for money that has moved already, for a batch of independent requests: also after the deadline,
-- as long as the units are there. A payment that can't be fulfilled is written down, once.
-- KEYS  stream, seq, deadlines, generation, rules, customers, own_holds, stopped, waiting; for each
--       request: hold, idem (only with a fingerprint), then for each line: stock, item; payment
-- ARGV  requests; for each: deadline (ms on Redis's clock), event_id, request_id, hold_id,
--       fingerprint (may be empty), lines, then for each line: sku, store_id, quantity; order_id,
--       payment_ref, payment_id, status (what the ledger has of the hold, as of which the lines are
--       then: NONE when it has none, empty when it was not asked), user_id, created_at, expires_at, version
--       (these four as the ledger has them, or empty), lines (to sell; 0: all there are), then for each
--       line: sku, quantity
-- Reply {now_ms, tuples}, one of these for each request:
--   CONFIRMED order_id ended_at ...            sold, as in confirm_holds; the event is in the stream
--   REPLAYED order_id ended_at ...             it was sold before, for the same payment_ref
--   UNFULFILLED payment_id why at              written down just now; the event is in the stream
--   UNFULFILLED_BEFORE payment_id why at       written down before: somebody may have seen to it by now
--   LEDGER_NEEDED                              Redis may have forgotten what it did, nothing done
--   NOT_HELD sku held                          it has fewer units of that sku than are to be sold
--   IDEMPOTENCY_KEY_REUSED                     the key belongs to another request
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
-- include lib/selling.lua

-- How long Redis surely remembers each payment that it could not fulfil.
local PAYMENT_MS = IDEM_MS
local PAYMENT = "payment" -- the fingerprint of their records
local WHY = {
  sold_out = "SOLD_OUT",
  limit = "LIMIT_EXCEEDED",
  cancelled = "HOLD_CANCELLED",
  confirmed = "HOLD_ALREADY_CONFIRMED",
  not_found = "HOLD_NOT_FOUND",
}

-- The hold as the ledger has it: a table as read_hold makes it, false when it has none, or nil when it was
-- not asked or its answer is bad.
local function next_recorded(request)
  local hold = {
    hold_key = request.hold_key,
    hold_id = request.hold_id,
    status = next_arg(),
    user_id = next_arg(),
    created_at = next_arg(),
    expires_at = next_arg(),
    version = next_arg(),
    late = false,
  }
  if hold.status == "NONE" then return false end
  local is_whole = STATUSES[hold.status] and hold.user_id and whole(hold.created_at)
    and whole(hold.expires_at) and whole(hold.version) and request.lines and #request.lines > 0
  if not is_whole then
    request.good = request.good and hold.status == ""
    return nil
  end
  hold.lines = lines_text(request.lines)
  return hold
end

local function next_settling()
  local request = next_ending()
  request.payment_key = next_key()
  request.order_id, request.payment_ref, request.payment_id = next_arg(), next_arg(), next_arg()
  request.good = request.good and request.payment_key and request.payment_id and request.payment_ref ~= ""
  request.recorded = next_recorded(request)
  request.parts = next_parts()
  request.good = request.good and request.parts
  return request
end

local function payload_of(request, hold, why, record)
  local text = '{"event_version":1,"occurred_at":' .. now_text
    .. ',"request_id":' .. cjson.encode(request.request_id)
    .. ',"hold_id":"' .. request.hold_id
    .. '","payment_id":"' .. request.payment_id
    .. '","payment_ref":' .. cjson.encode(request.payment_ref)
    .. ',"why":"' .. why .. '"'
  if hold then
    text = text .. ',"hold":{"status":"' .. hold.status
      .. '","user_id":' .. cjson.encode(hold.user_id)
      .. ',"lines":' .. cjson.encode(hold.lines or "")
      .. ',"created_at":' .. hold.created_at
      .. ',"expires_at":' .. hold.expires_at
      .. ',"version":' .. hold.version .. "}"
  end
  return text .. record .. "}"
end

local function unfulfilled(request, hold, why)
  local result = " " .. request.payment_id .. " " .. why .. " " .. now_text
  local record = remember(request.payment_key, PAYMENT, result)
  add_event(request.event_id, "PAYMENT_UNFULFILLED", payload_of(request, hold, why, record))
  return { "UNFULFILLED", request.payment_id, why, now_text }
end

-- Why the chosen units of an expired hold can't be taken again, or nil. When a sale opens and closes does not
-- matter any more; what nobody may take before somebody has looked can't be taken like this either.
local function obstacle(hold, lines)
  local units = {}
  for _, line in ipairs(lines) do
    local stopped = closed_by(line.sku) == "stopped"
    if line.sold > 0 and (stopped or line.sold > free_units(line.stock)) then return WHY.sold_out end
    units[line.sku] = (units[line.sku] or 0) + line.sold
  end
  for sku, more in pairs(units) do
    local rules = rules_of(sku)
    if rules and more > 0 then
      local count = count_of(sku, hold.user_id) or NO_COUNT
      local unnamed = rules.max_per_customer and hold.user_id == ""
      if unnamed or passed_limit(rules, count, more, 0) then return WHY.limit end
    end
  end
  return nil
end

-- A hold that has ended, or that Redis has forgotten.
local function settle_ended(request, hold)
  if hold.status == "CONFIRMED" then return unfulfilled(request, hold, WHY.confirmed) end
  if hold.status == "CANCELLED" then return unfulfilled(request, hold, WHY.cancelled) end
  -- Forgotten, and recorded as active: its key was taken out by hand, or the ledger is days behind.
  if hold.status == "ACTIVE" then return unfulfilled(request, hold, WHY.not_found) end
  if hold.lines ~= lines_text(request.lines) then return { "STALE_LINES" } end
  local corrupt = read_rules(request.lines, hold.user_id) or serve_lines(request.lines)
  if corrupt then return { "CORRUPT", corrupt } end
  local refused = choose_sold(request)
  if refused then return refused end
  local why = obstacle(hold, request.lines)
  if why then return unfulfilled(request, hold, why) end
  holds[request.hold_key] = hold
  return sell_hold(hold, request)
end

local function decide()
  local request = next_settling()
  local hold, refused = open_hold(request)
  if not hold then return refused end

  local answer = earlier_answer(request.idem_key, request.fingerprint)
  if answer then return answer end
  local before = earlier_answer(request.payment_key, PAYMENT)
  if before and before[1] == "REPLAYED" then
    before[1] = "UNFULFILLED_BEFORE"
    return before
  end
  if before then return { "CORRUPT", request.payment_key } end

  local is_paid = hold.status == "CONFIRMED" and hold.payment_ref == request.payment_ref
  if is_paid then return sold_before(hold) end
  if hold.status == "ACTIVE" then return choose_sold(request) or sell_hold(hold, request) end

  -- Payments of a younger hold are younger, too, so Redis remembers them all.
  local young = hold.status and whole(hold.created_at) > now - PAYMENT_MS
  if not young and request.recorded == nil then return { "LEDGER_NEEDED" } end
  if hold.status then return settle_ended(request, hold) end
  if request.recorded then return settle_ended(request, request.recorded) end
  return unfulfilled(request, nil, WHY.not_found)
end

local replies = decide_all(decide)
serve_changed()
write_events()
write_stocks()
write_endings()
write_sales()
write_counts()
write_own_holds()
write_waiting()
write_records()
return replies
