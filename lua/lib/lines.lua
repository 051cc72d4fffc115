-- The lines of a hold, distinct by (sku, store_id). In the hold they are one text,
-- "<sku>@<store_id>=<quantity>" joined by spaces.
local LINES_MAX, QUANTITY_MAX = 100, 1000

local function next_line()
  local sku, store_id, quantity = next_args(3)
  -- All members at once: a table that grows member by member is made anew each time it is full.
  return {
    sku = sku,
    store_id = store_id,
    quantity = whole(quantity),
    stock_key = next_key(),
    item_key = next_key(),
    stock = false,
  }
end

-- A stock that is named twice is summed, or each line alone would pass the check that both together don't.
local function summed(lines)
  local distinct, by_stock = {}, {}
  for _, line in ipairs(lines) do
    local first = by_stock[line.stock_key]
    if first then
      first.quantity = first.quantity + line.quantity
    else
      by_stock[line.stock_key] = line
      distinct[#distinct + 1] = line
    end
  end
  return distinct
end

-- Takes a request's lines: a count, then sku, store_id and quantity each; their stock and item keys come
-- in KEYS. Nil when an argument is bad.
local function next_lines()
  local count = next_count(LINES_MAX)
  if not count then return nil end
  local lines, good = {}, true
  for i = 1, count do
    local line = next_line()
    good = good and line.item_key and line.quantity and line.quantity >= 1
    lines[i] = line
  end
  if not good then return nil end
  if count > 1 then lines = summed(lines) end
  for i = 1, #lines do good = good and lines[i].quantity <= QUANTITY_MAX end
  return good and lines or nil
end

-- `text_of` each line, joined.
local function join_lines(lines, text_of, separator)
  if #lines == 1 then return text_of(lines[1]) end
  local texts = {}
  for i, line in ipairs(lines) do texts[i] = text_of(line) end
  return table.concat(texts, separator)
end

local function line_text(line)
  return line.sku .. "@" .. line.store_id .. "=" .. line.quantity
end

local function lines_text(lines)
  return join_lines(lines, line_text, " ")
end

-- Reads each line's stock into line.stock; nil, or the name of a corrupt key.
local function read_stocks(lines)
  for i = 1, #lines do
    local line = lines[i]
    local stock, corrupt = read_stock(line.stock_key, line.item_key)
    if not stock then return corrupt end
    line.stock = stock
  end
  return nil
end

local function line_json(line)
  local stock, deltas = line.stock, ""
  -- Where the event's type and the quantity do not tell what it did to the stock.
  if line.held_delta then
    deltas = format(',"available_delta":%d,"held_delta":%d', line.available_delta, line.held_delta)
  end
  return '{"sku":"' .. line.sku .. '","store_id":"' .. line.store_id .. format(
    '","quantity":%d,"available":%d,"held":%d,"version":%d',
    line.quantity, stock.available, stock.held, stock.version) .. deltas .. "}"
end

-- The lines for an event, each with its stock as it is after the change; between the brackets of the list.
local function lines_json(lines)
  return join_lines(lines, line_json, ",")
end
