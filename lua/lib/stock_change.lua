-- What changes of stock that are no holds have in common.
local UNITS_MAX, STOCK_MAX = 1000000000, 999999999999

-- What a store has stays far below the 15 digits that whole() reads, held units included.
local function is_too_many(stock, units)
  return stock.available + stock.held + units > STOCK_MAX
end

local function optional(name, text)
  if text == "" then return "" end
  return ',"' .. name .. '":' .. cjson.encode(text)
end

-- A line of the event, once its stock is changed.
local function change_json(sku, store_id, available_delta, stock)
  return '{"sku":' .. cjson.encode(sku) .. ',"store_id":' .. cjson.encode(store_id) .. format(
    ',"available_delta":%d,"available":%d,"held":%d,"version":%d}',
    available_delta, stock.available, stock.held, stock.version)
end

-- The payload of the event: complete by itself, as that of a hold's event is. `more` is further members as
-- JSON, each with a leading comma; `lines` is the list of lines, likewise JSON.
local function stock_payload(change, more, lines)
  return '{"event_version":1,"occurred_at":' .. now_text
    .. ',"request_id":' .. cjson.encode(change.request_id)
    .. ',"actor":' .. cjson.encode(change.actor)
    .. optional("reference", change.reference) .. optional("trace_id", change.trace_id)
    .. more .. ',"lines":[' .. lines .. ']}'
end
