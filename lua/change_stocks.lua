#!lua
-- Adjusts and counts stocks, for a batch of independent requests. A stock that nobody knew counts as empty,
-- and is known from then on.
-- KEYS  stream, seq, deadlines, generation, rules, customers, own_holds, stopped, waiting; for each
--       request: idem, stores, stock, item
-- ARGV  requests; for each: deadline (ms on Redis's clock), event_id, request_id, fingerprint, actor,
--       sku, store_id, registers (1: the store may have to be registered; or 0),
--       operation (ADJUST by units, or COUNT of them), units (for ADJUST signed and not 0; for COUNT
--       from 0 up), if_version (may be empty), reason, reference, notes, trace_id (each may be empty)
-- Reply {now_ms, tuples}, one of these for each request:
--   CHANGED event_id at available held version available_delta   done; the event is in the stream
--   REPLAYED event_id at available held version available_delta  this key did it before
--   IDEMPOTENCY_KEY_REUSED                     the key belongs to another request
--   VERSION_CONFLICT version                   the stock is not at if_version
--   WOULD_GO_NEGATIVE available                fewer are available than would be taken
--   TOO_MANY available                         a store can't have so many
--   TOO_MANY_STORES                            there is no room for another store
--   LATE, RECOVERING, CORRUPT key, BAD_ARGUMENT  as in create_holds
-- A recount never touches what is held: available becomes what was counted without it, and is never below 0.
-- include lib/batch.lua
-- include lib/signed.lua
-- include lib/stock.lua
-- include lib/events.lua
-- include lib/lines.lua
-- include lib/idempotency.lua
-- include lib/stores.lua
-- include lib/stock_change.lua
-- include lib/rules.lua
-- include lib/own_holds.lua
-- include lib/hold_event.lua
-- include lib/serving.lua

local function is_good(change)
  local units, count = change.units, change.operation == "COUNT"
  return change.item_key and change.trace_id and change.deadline
    and (change.registers == "0" or change.registers == "1")
    and (count or change.operation == "ADJUST")
    and units and math.abs(units) <= UNITS_MAX
    and (count and units >= 0 or not count and units ~= 0)
    and (change.if_version == "" or whole(change.if_version))
end

local function next_change()
  return {
    idem_key = next_key(),
    stores_key = next_key(),
    stock_key = next_key(),
    item_key = next_key(),
    deadline = whole(next_arg()),
    event_id = next_arg(),
    request_id = next_arg(),
    fingerprint = next_arg(),
    actor = next_arg(),
    sku = next_arg(),
    store_id = next_arg(),
    registers = next_arg(),
    operation = next_arg(),
    units = signed(next_arg()),
    if_version = next_arg(),
    reason = next_arg(),
    reference = next_arg(),
    notes = next_arg(),
    trace_id = next_arg(),
  }
end

local function apply(change, stock, delta)
  change_stock(stock, delta, 0)
  local counted = change.operation == "COUNT"
  local more = optional("reason", change.reason) .. optional("notes", change.notes)
  if counted then more = more .. format(',"on_hand":%d', change.units) end
  local record = remember(change.idem_key, change.fingerprint, format(" %s %d %d %d %d %d",
    change.event_id, now, stock.available, stock.held, stock.version, delta))
  add_event(change.event_id, counted and "STOCK_COUNTED" or "STOCK_ADJUSTED",
    stock_payload(change, more .. record, change_json(change.sku, change.store_id, delta, stock)))
  if change.registers == "1" then register_store(change.stores_key, change.store_id) end
  return { "CHANGED", change.event_id, now, stock.available, stock.held, stock.version, delta }
end

local function decide()
  local change = next_change()
  if not is_good(change) then return { "BAD_ARGUMENT" } end
  if now > change.deadline then return { "LATE" } end

  local corrupt = corrupt_key or (not count_stores(change.stores_key) and change.stores_key)
  if corrupt then return { "CORRUPT", corrupt } end
  local stock, corrupt_stock = read_stock(change.stock_key, change.item_key)
  if not stock then return { "CORRUPT", corrupt_stock } end

  local answer = earlier_answer(change.idem_key, change.fingerprint)
  if answer then return answer end

  if change.if_version ~= "" and whole(change.if_version) ~= stock.version then
    return { "VERSION_CONFLICT", stock.version }
  end
  local delta = change.units
  if change.operation == "COUNT" then
    delta = math.max(0, change.units - stock.held) - stock.available
  end
  if stock.available + delta < 0 then return { "WOULD_GO_NEGATIVE", stock.available } end
  if change.registers == "1" and is_store_too_many(change.stores_key, change.store_id) then
    return { "TOO_MANY_STORES" }
  end
  if delta > 0 and is_too_many(stock, delta) then return { "TOO_MANY", stock.available } end
  return apply(change, stock, delta)
end

local replies = decide_all(decide)
serve_changed()
write_events()
write_stocks()
write_counts()
write_own_holds()
write_waiting()
write_stores()
write_records()
return replies
