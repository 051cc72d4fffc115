#!lua
-- Takes units back that were sold, for a batch of independent requests. How many may come back was decided
-- before, in Postgres, where orders are for good: here each return happens once, by its idempotency key.
-- KEYS  stream, seq, deadlines, generation, rules, customers, own_holds, stopped, waiting; for each
--       request: idem, then for each line: stock, item
-- ARGV  requests; for each: deadline (ms on Redis's clock), event_id, request_id, fingerprint, actor,
--       order_id, hold_id, user_id (may be empty), restock (1: they may be sold again; or 0),
--       reason (may be empty), lines, then for each line: sku, store_id, quantity
-- Reply {now_ms, tuples}, one of these for each request:
--   RETURNED event_id at                       done; the event is in the stream
--   REPLAYED event_id at                       this key did it before
--   IDEMPOTENCY_KEY_REUSED                     the key belongs to another request
--   LATE, RECOVERING, CORRUPT key, BAD_ARGUMENT  as in create_holds
-- Without restock no stock changes. The customer may buy as many again when the sku's rules say returns_free.
-- include lib/batch.lua
-- include lib/stock.lua
-- include lib/events.lua
-- include lib/lines.lua
-- include lib/idempotency.lua
-- include lib/rules.lua
-- include lib/own_holds.lua
-- include lib/stock_change.lua
-- include lib/hold_event.lua
-- include lib/serving.lua

local function next_return()
  return {
    idem_key = next_key(),
    deadline = whole(next_arg()),
    event_id = next_arg(),
    request_id = next_arg(),
    fingerprint = next_arg(),
    actor = next_arg(),
    order_id = next_arg(),
    hold_id = next_arg(),
    user_id = next_arg(),
    restock = next_arg(),
    reason = next_arg(),
    lines = next_lines(),
  }
end

local function is_good(request)
  return request.deadline and request.lines and #request.lines > 0
    and (request.restock == "1" or request.restock == "0")
end

local function returned_json(line)
  local stock = line.stock
  return '{"sku":' .. cjson.encode(line.sku) .. ',"store_id":' .. cjson.encode(line.store_id) .. format(
    ',"quantity":%d,"freed":%s,"available_delta":%d,"held_delta":0,"available":%d,"held":%d,"version":%d}',
    line.quantity, tostring(line.freed), line.back, stock.available, stock.held, stock.version)
end

local function take_back(line, request)
  local rules = rules_of(line.sku)
  line.back = request.restock == "1" and line.quantity or 0
  line.freed = rules and rules.returns_free and request.user_id ~= "" or false
  if line.back > 0 then change_stock(line.stock, line.back, 0) end
  if line.freed then count_customer(line.sku, request.user_id, -line.quantity, 0) end
end

local function apply(request)
  for _, line in ipairs(request.lines) do take_back(line, request) end
  local more = ',"order_id":' .. cjson.encode(request.order_id)
    .. ',"hold_id":' .. cjson.encode(request.hold_id)
    .. ',"user_id":' .. cjson.encode(request.user_id)
    .. ',"restock":' .. tostring(request.restock == "1")
    .. optional("reason", request.reason)
    .. remember(request.idem_key, request.fingerprint, " " .. request.event_id .. " " .. now_text)
  -- As of any change of stock, the history names what it refers to.
  request.reference, request.trace_id = request.order_id, ""
  add_event(request.event_id, "ORDER_RETURNED",
    stock_payload(request, more, join_lines(request.lines, returned_json, ",")))
  return { "RETURNED", request.event_id, now }
end

local function decide()
  local request = next_return()
  if not is_good(request) then return { "BAD_ARGUMENT" } end
  if now > request.deadline then return { "LATE" } end

  local corrupt = corrupt_key or read_stocks(request.lines) or read_rules(request.lines, request.user_id)
  if corrupt then return { "CORRUPT", corrupt } end

  return earlier_answer(request.idem_key, request.fingerprint) or apply(request)
end

local replies = decide_all(decide)
serve_changed()
write_events()
write_stocks()
write_counts()
write_own_holds()
write_waiting()
write_records()
return replies
