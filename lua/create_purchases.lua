#!lua
-- Picks a store and sells from it in one step, for a batch of independent requests. What is sold is a hold
-- that was never active, so that it is found and recorded as one.
-- KEYS  stream, seq, deadlines, generation, rules, customers, own_holds, stopped, waiting; for each
--       request: hold, idem, stores, turns, then for each store: stock, item
-- ARGV  requests; for each: deadline (ms on Redis's clock), event_id, request_id, hold_id, order_id,
--       user_id, fingerprint, policy, sku, quantity, stores_seen (registered when the caller looked), stores,
--       then for each store: store_id
-- Reply {now_ms, tuples}, one of these for each request:
--   PURCHASED hold_id order_id store_id at     sold; the event is in the stream
--   REPLAYED hold_id order_id store_id at      this key did it before
--   IDEMPOTENCY_KEY_REUSED                     the key belongs to another request
--   STALE_STORES                               stores have come since the caller looked, nothing done
--   UNKNOWN_SKU sku                            nobody has stocked it anywhere
--   SALE_PAUSED, SALE_NOT_OPEN, SALE_CLOSED, LIMIT_EXCEEDED, CUSTOMER_REQUIRED  as in create_holds
--   SOLD_OUT requested best_available total_available total_held
--   ALL_HELD requested best_available total_available total_held
--   LATE, RECOVERING, CORRUPT key, BAD_ARGUMENT  as in create_holds
-- include lib/batch.lua
-- include lib/stock.lua
-- include lib/events.lua
-- include lib/lines.lua
-- include lib/idempotency.lua
-- include lib/rules.lua
-- include lib/closed.lua
-- include lib/own_holds.lua
-- include lib/taking.lua
-- include lib/hold_event.lua
-- include lib/serving.lua
-- include lib/stores.lua
-- include lib/pick.lua

local KEPT_MS = 24 * 60 * 60 * 1000 -- as long as any hold that has ended

local sold, hold_keys = {}, {}

-- What one store could sell: a line of the hold, should it be picked.
local function next_offers(sku, quantity)
  local count = next_count(STORES_MAX)
  if not count then return nil end
  local offers, good = {}, true
  for i = 1, count do
    offers[i] = {
      sku = sku,
      store_id = next_arg(),
      quantity = quantity,
      stock_key = next_key(),
      item_key = next_key(),
      stock = false,
      rank = 0,
    }
    good = good and offers[i].store_id and offers[i].item_key
  end
  return good and offers or nil
end

-- A request, which becomes the hold.
local function next_purchase()
  local purchase = {
    hold_key = next_key(),
    idem_key = next_key(),
    stores_key = next_key(),
    turns_key = next_key(),
    deadline = whole(next_arg()),
    event_id = next_arg(),
    request_id = next_arg(),
    hold_id = next_arg(),
    order_id = next_arg(),
    user_id = next_arg(),
    fingerprint = next_arg(),
    policy = next_arg(),
    sku = next_arg(),
    quantity = whole(next_arg()),
    stores_seen = whole(next_arg()),
    offers = false,
    status = "CONFIRMED",
    created_at = now_text,
    expires_at = now_text,
    version = "1",
  }
  purchase.offers = next_offers(purchase.sku, purchase.quantity)
  return purchase
end

local function is_good(purchase)
  local quantity, offers = purchase.quantity, purchase.offers
  return purchase.deadline and purchase.stores_seen and is_policy(purchase.policy)
    and quantity and quantity >= 1 and quantity <= QUANTITY_MAX
    and offers and #offers > 0
end

local function corrupt_key_of(purchase)
  return corrupt_key
    or (not read_ranks(purchase.stores_key) and purchase.stores_key)
    or (not read_turn(purchase.turns_key, purchase.sku) and purchase.turns_key)
    or read_stocks(purchase.offers)
    or read_rules({ purchase }, purchase.user_id)
end

local function refusal(purchase)
  local known, best, total, held = false, 0, 0, 0
  for _, offer in ipairs(purchase.offers) do
    known = known or offer.stock.known
    best = math.max(best, free_units(offer.stock))
    total = total + free_units(offer.stock)
    held = held + offer.stock.held
  end
  if not known then return { "UNKNOWN_SKU", purchase.sku } end
  local refused = rules_reply({ purchase }, purchase.user_id, 0, NOTHING_FREED)
  if refused then return refused end
  if best >= purchase.quantity then return nil end
  if held > 0 then return { "ALL_HELD", purchase.quantity, best, total, held } end
  return { "SOLD_OUT", purchase.quantity, best, total, held }
end

local function sell(purchase)
  local line = pick_offer(purchase)
  change_stock(line.stock, -line.quantity, 0)
  count_customer(purchase.sku, purchase.user_id, line.quantity, 0)
  purchase.line = line
  local record = remember(purchase.idem_key, purchase.fingerprint, " " .. purchase.hold_id
    .. " " .. purchase.order_id .. " " .. line.store_id .. " " .. now_text)
  add_event(purchase.event_id, "HOLD_PURCHASED", hold_payload(purchase, purchase.request_id, { line },
    ',"ended_at":' .. now_text .. ',"order_id":"' .. purchase.order_id .. '"' .. record))
  sold[#sold + 1] = purchase
  hold_keys[purchase.hold_key] = true
  return { "PURCHASED", purchase.hold_id, purchase.order_id, line.store_id, now }
end

local function decide()
  local purchase = next_purchase()
  if not is_good(purchase) then return { "BAD_ARGUMENT" } end
  if now > purchase.deadline then return { "LATE" } end

  local corrupt = corrupt_key_of(purchase)
  if corrupt then return { "CORRUPT", corrupt } end

  local answer = earlier_answer(purchase.idem_key, purchase.fingerprint)
  if answer then return answer end
  if hold_keys[purchase.hold_key] or call("EXISTS", purchase.hold_key) == 1 then
    return { "CORRUPT", purchase.hold_key }
  end
  if count_stores(purchase.stores_key) ~= purchase.stores_seen then return { "STALE_STORES" } end

  local corrupt_queue = serve_lines(purchase.offers)
  if corrupt_queue then return { "CORRUPT", corrupt_queue } end
  return refusal(purchase) or sell(purchase)
end

local function write_holds()
  local kept_until = format("%d", now + KEPT_MS)
  for _, hold in ipairs(sold) do
    call("HSET", hold.hold_key, "status", hold.status, "lines", lines_text({ hold.line }),
      "user_id", hold.user_id, "created_at", hold.created_at, "expires_at", hold.expires_at,
      "version", hold.version, "ended_at", now_text, "ended_by", hold.event_id,
      "order_id", hold.order_id)
    call("PEXPIREAT", hold.hold_key, kept_until)
  end
end

local replies = decide_all(decide)
write_events()
write_stocks()
write_holds()
write_turns()
write_counts()
write_own_holds()
write_waiting()
write_records()
return replies
