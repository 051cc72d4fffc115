-- Stock as this batch leaves it. Each stock is read once, changed here by as many requests as touch it,
-- and written once at the end.
local stocks, touched = {}, {}

-- {available, held, version, known}, or nil and the name of the key that holds something else.
local function read_stock(stock_key, item_key)
  local stock = stocks[stock_key]
  if stock then return stock end
  local text = read("GET", stock_key)
  local available = whole(text or "0")
  if text == nil or not available then return nil, stock_key end
  local item = read("HMGET", item_key, "held", "version")
  local held = item and whole(item[1] or "0")
  local version = item and whole(item[2] or "0")
  if not held or not version then return nil, item_key end
  stock = {
    stock_key = stock_key,
    item_key = item_key,
    known = text ~= false,
    available = available,
    available_before = available,
    held = held,
    version = version,
    kept = false,
  }
  stocks[stock_key] = stock
  return stock
end

local function change_stock(stock, available_delta, held_delta)
  if not stock.touched then
    stock.touched = true
    touched[#touched + 1] = stock
  end
  stock.available = stock.available + available_delta
  stock.held = stock.held + held_delta
  stock.version = stock.version + 1
end

-- Whether anybody has stocked it, an earlier request of this batch included.
local function is_known(stock)
  return stock.known or stock.touched
end

-- INCRBY and not SET, so that a TTL somebody put on the key stays. By 0 it makes an empty stock known.
local function write_stocks()
  for _, stock in ipairs(touched) do
    local delta = stock.available - stock.available_before
    if delta ~= 0 or not stock.known then
      call("INCRBY", stock.stock_key, format("%d", delta))
    end
    call("HSET", stock.item_key, "held", format("%d", stock.held),
      "version", format("%d", stock.version), "changed_at", now_text)
  end
end

-- Units that anybody may take: those that are kept for who waits (lib/waiting.lua) are not among them.
local function free_units(stock)
  return stock.kept and 0 or stock.available
end
