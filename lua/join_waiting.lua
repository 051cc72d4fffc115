#!lua
-- Puts customers in the queue of a stock that is out, for a batch of independent requests.
-- KEYS  stream, seq, deadlines, generation, rules, customers, own_holds, stopped, waiting; for each
--       request: waiter, idem, stock, item
-- ARGV  requests; for each: deadline (ms on Redis's clock), event_id, request_id, waiter_id, user_id,
--       offer_ms, fingerprint, sku, store_id, quantity
-- Reply {now_ms, tuples}, one of these for each request:
--   JOINED waiter_id at position               in the queue; the event is in the stream
--   REPLAYED waiter_id at position             this key did it before
--   IDEMPOTENCY_KEY_REUSED                     the key belongs to another request
--   UNKNOWN_SKU sku                            nobody has stocked it
--   SALE_PAUSED, SALE_NOT_OPEN, SALE_CLOSED, LIMIT_EXCEEDED  as in create_holds
--   STOCK_AVAILABLE available                  nobody waits, and there are enough to be reserved
--   ALREADY_WAITING waiter_id                  the customer has a place in this queue
--   WAITING_LIST_FULL waiters                  there is no room for another one
--   LATE, RECOVERING, CORRUPT key, BAD_ARGUMENT  as in create_holds
-- A limit per customer is looked at when there is something to offer: until then units may come back.
-- include lib/batch.lua
-- include lib/stock.lua
-- include lib/events.lua
-- include lib/lines.lua
-- include lib/idempotency.lua
-- include lib/rules.lua
-- include lib/closed.lua
-- include lib/own_holds.lua
-- include lib/hold_event.lua
-- include lib/waiting.lua

local OFFER_MS_MAX = 24 * 60 * 60 * 1000

local function next_request()
  return {
    waiter_key = next_key(),
    idem_key = next_key(),
    stock_key = next_key(),
    item_key = next_key(),
    deadline = whole(next_arg()),
    event_id = next_arg(),
    request_id = next_arg(),
    waiter_id = next_arg(),
    user_id = next_arg(),
    offer_ms = whole(next_arg()),
    fingerprint = next_arg(),
    sku = next_arg(),
    store_id = next_arg(),
    quantity = whole(next_arg()),
  }
end

local function is_good(request)
  local quantity, offer_ms = request.quantity, request.offer_ms
  return request.item_key and request.deadline and request.user_id ~= "" and #request.waiter_id > 2
    and quantity and quantity >= 1 and quantity <= QUANTITY_MAX
    and offer_ms and offer_ms >= 1 and offer_ms <= OFFER_MS_MAX
end

-- Reads what the request is about; returns the stock and its queue, or nil and the name of a corrupt key.
local function read_all(request)
  if corrupt_key then return nil, corrupt_key end
  local stock, corrupt_stock = read_stock(request.stock_key, request.item_key)
  if not stock then return nil, corrupt_stock end
  if not read_sku_rules(request.sku) then return nil, rules_key end
  local queue, corrupt_queue = read_queue(name_of(stock))
  if not queue then return nil, corrupt_queue end
  return stock, queue
end

local function order_limit_reply(request, rules)
  local limit = rules and rules.max_per_order
  if not limit or request.quantity <= limit then return nil end
  return { "LIMIT_EXCEEDED", request.sku, "max_per_order", limit, limit }
end

local function place_reply(request, stock, queue)
  if queue.count == 0 and stock.available >= request.quantity then
    return { "STOCK_AVAILABLE", stock.available }
  end
  local waiter_id = place_of(queue, request.user_id)
  if waiter_id then return { "ALREADY_WAITING", waiter_id } end
  if queue.count >= WAITERS_MAX then return { "WAITING_LIST_FULL", queue.count } end
  return nil
end

local function join(request, stock, queue)
  local waiter = {
    waiter_id = request.waiter_id,
    status = "WAITING",
    stock = queue.name,
    sku = request.sku,
    store_id = request.store_id,
    quantity = request.quantity,
    user_id = request.user_id,
    offer_ms = request.offer_ms,
    joined_at = now_text,
    joined_seq = format("%d", next_seq()),
  }
  local position = queue.count + 1
  local record = remember(request.idem_key, request.fingerprint,
    " " .. waiter.waiter_id .. " " .. now_text .. " " .. position)
  add_event(request.event_id, "WAITER_JOINED", waiter_payload(waiter, request.request_id, record))
  join_queue(queue, waiter)
  serve(stock) -- those before it may want more than there is
  return { "JOINED", waiter.waiter_id, now, position }
end

local function decide()
  local request = next_request()
  if not is_good(request) then return { "BAD_ARGUMENT" } end
  if now > request.deadline then return { "LATE" } end

  local stock, queue = read_all(request)
  if not stock then return { "CORRUPT", queue } end

  local answer = earlier_answer(request.idem_key, request.fingerprint)
  if answer then return answer end
  if waiters[request.waiter_id] or call("EXISTS", request.waiter_key) == 1 then
    return { "CORRUPT", request.waiter_key }
  end

  if not stock.known then return { "UNKNOWN_SKU", request.sku } end
  local rules = rules_of(request.sku)
  local refused = closed_reply(request.sku, rules) or order_limit_reply(request, rules)
  if refused then return refused end
  local corrupt = serve(stock)
  if corrupt then return { "CORRUPT", corrupt } end
  return place_reply(request, stock, queue) or join(request, stock, queue)
end

local replies = decide_all(decide)
write_events()
write_stocks()
write_counts()
write_own_holds()
write_waiting()
write_records()
return replies
