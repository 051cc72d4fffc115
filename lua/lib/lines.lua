-- The lines of a hold, distinct by (sku, store_id). In the hold they are one text,
-- "<sku>@<store_id>=<quantity>" joined by spaces.
local LINES_MAX, QUANTITY_MAX = 100, 1000

-- Without a count it is not known where the next request begins: from there on all of them are bad.
local lost_count = false

-- Takes a request's lines: a count, then sku, store_id and quantity each; their stock and item keys come
-- in KEYS. Nil when an argument is bad.
local function next_lines()
  local count = whole(next_arg())
  lost_count = lost_count or not count or count > LINES_MAX
  if lost_count then return nil end
  local lines, by_stock, good = {}, {}, true
  for _ = 1, count do
    local line = { sku = next_arg(), store_id = next_arg(), quantity = whole(next_arg()) }
    line.stock_key, line.item_key = next_key(), next_key()
    good = good and line.item_key and line.quantity and line.quantity >= 1
    local first = good and by_stock[line.stock_key]
    if first then
      -- Named twice: summed, or each alone would pass the check that both together don't.
      first.quantity = first.quantity + line.quantity
    elseif good then
      by_stock[line.stock_key] = line
      lines[#lines + 1] = line
    end
  end
  for _, line in ipairs(lines) do good = good and line.quantity <= QUANTITY_MAX end
  return good and lines or nil
end

local function lines_text(lines)
  local texts = {}
  for i, line in ipairs(lines) do
    texts[i] = string.format("%s@%s=%d", line.sku, line.store_id, line.quantity)
  end
  return table.concat(texts, " ")
end

-- Reads each line's stock into line.stock; nil, or the name of a corrupt key.
local function read_stocks(lines)
  for _, line in ipairs(lines) do
    local stock, corrupt = read_stock(line.stock_key, line.item_key)
    if not stock then return corrupt end
    line.stock = stock
  end
  return nil
end

-- The lines for an event, each with its stock as it is after the change.
local function lines_json(lines)
  local texts = {}
  for i, line in ipairs(lines) do
    texts[i] = string.format(
      '{"sku":"%s","store_id":"%s","quantity":%d,"available":%d,"held":%d,"version":%d}',
      line.sku, line.store_id, line.quantity, line.stock.available, line.stock.held, line.stock.version)
  end
  return "[" .. table.concat(texts, ",") .. "]"
end
