#!lua
-- Moves units from one store to another, for a batch of independent requests: all lines of one or none.
-- KEYS  stream, seq, deadlines, generation, rules, customers, own_holds, stopped, waiting; for each
--       request: idem, stores, then for each line: from_stock, from_item, to_stock, to_item
-- ARGV  requests; for each: deadline (ms on Redis's clock), event_id, request_id, fingerprint, actor,
--       from_store, to_store, registers_to (1: to_store may have to be registered; or 0),
--       reference, trace_id (each may be empty), lines, then for each line: sku, quantity
-- Reply {now_ms, tuples}, one of these for each request:
--   TRANSFERRED event_id at                    moved; the event is in the stream
--   REPLAYED event_id at                       this key did it before
--   IDEMPOTENCY_KEY_REUSED                     the key belongs to another request
--   UNKNOWN_SKU sku                            nobody has stocked it in from_store
--   WOULD_GO_NEGATIVE (sku store_id requested available) for each short line
--   TOO_MANY sku                               to_store can't have so many
--   TOO_MANY_STORES                            there is no room for another store
--   LATE, RECOVERING, CORRUPT key, BAD_ARGUMENT  as in create_holds
-- What is held stays where it is, on both sides.
-- include lib/batch.lua
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

local LINES_MAX = 100

local function next_line()
  return {
    sku = next_arg(),
    quantity = whole(next_arg()),
    from_stock_key = next_key(),
    from_item_key = next_key(),
    to_stock_key = next_key(),
    to_item_key = next_key(),
    from = false,
    to = false,
  }
end

-- Distinct by stock: one that is named twice is summed, or each line alone would pass the check that both
-- together don't. Nil when an argument is bad.
local function next_lines()
  local count = next_count(LINES_MAX)
  if not count then return nil end
  local lines, by_stock, good = {}, {}, true
  for _ = 1, count do
    local line = next_line()
    if not (line.to_item_key and line.quantity and line.quantity >= 1) then
      good = false
    elseif by_stock[line.from_stock_key] then
      local first = by_stock[line.from_stock_key]
      first.quantity = first.quantity + line.quantity
    else
      by_stock[line.from_stock_key] = line
      lines[#lines + 1] = line
    end
  end
  for _, line in ipairs(lines) do good = good and line.quantity <= UNITS_MAX end
  return good and #lines > 0 and lines or nil
end

local function next_transfer()
  local transfer = {
    idem_key = next_key(),
    stores_key = next_key(),
    deadline = whole(next_arg()),
    event_id = next_arg(),
    request_id = next_arg(),
    fingerprint = next_arg(),
    actor = next_arg(),
    from_store = next_arg(),
    to_store = next_arg(),
    registers_to = next_arg(),
    reference = next_arg(),
    trace_id = next_arg(),
    lines = next_lines(),
    good = false,
  }
  transfer.good = transfer.deadline and transfer.lines and transfer.from_store ~= transfer.to_store
    and (transfer.registers_to == "0" or transfer.registers_to == "1")
  return transfer
end

-- Reads both stocks of each line; nil, or the name of a corrupt key.
local function read_both(lines)
  for _, line in ipairs(lines) do
    local from, corrupt_from = read_stock(line.from_stock_key, line.from_item_key)
    if not from then return corrupt_from end
    local to, corrupt_to = read_stock(line.to_stock_key, line.to_item_key)
    if not to then return corrupt_to end
    line.from, line.to = from, to
  end
  return nil
end

local function refusal(transfer)
  for _, line in ipairs(transfer.lines) do
    if not is_known(line.from) then return { "UNKNOWN_SKU", line.sku } end
  end
  local reply = { "WOULD_GO_NEGATIVE" }
  for _, line in ipairs(transfer.lines) do
    if line.quantity > line.from.available then
      for _, item in ipairs({ line.sku, transfer.from_store, line.quantity, line.from.available }) do
        reply[#reply + 1] = item
      end
    end
  end
  if #reply > 1 then return reply end
  if transfer.registers_to == "1" and is_store_too_many(transfer.stores_key, transfer.to_store) then
    return { "TOO_MANY_STORES" }
  end
  for _, line in ipairs(transfer.lines) do
    if is_too_many(line.to, line.quantity) then return { "TOO_MANY", line.sku } end
  end
  return nil
end

local function apply(transfer)
  local left, come = {}, {}
  for i, line in ipairs(transfer.lines) do
    change_stock(line.from, -line.quantity, 0)
    change_stock(line.to, line.quantity, 0)
    left[i] = change_json(line.sku, transfer.from_store, -line.quantity, line.from)
    come[i] = change_json(line.sku, transfer.to_store, line.quantity, line.to)
  end
  local record = remember(transfer.idem_key, transfer.fingerprint,
    " " .. transfer.event_id .. " " .. now_text)
  add_event(transfer.event_id, "STOCK_TRANSFERRED", stock_payload(transfer,
    optional("from_store", transfer.from_store) .. optional("to_store", transfer.to_store) .. record,
    table.concat(left, ",") .. "," .. table.concat(come, ",")))
  if transfer.registers_to == "1" then register_store(transfer.stores_key, transfer.to_store) end
  return { "TRANSFERRED", transfer.event_id, now }
end

local function decide()
  local transfer = next_transfer()
  if not transfer.good then return { "BAD_ARGUMENT" } end
  if now > transfer.deadline then return { "LATE" } end

  local corrupt = corrupt_key
    or (not count_stores(transfer.stores_key) and transfer.stores_key)
    or read_both(transfer.lines)
  if corrupt then return { "CORRUPT", corrupt } end

  local answer = earlier_answer(transfer.idem_key, transfer.fingerprint)
  if answer then return answer end

  return refusal(transfer) or apply(transfer)
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
