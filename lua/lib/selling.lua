-- How held units are sold, all of them or a part, in time or late: shared by confirm_holds and
-- settle_payments. Needs lib/ending.lua.
local TERMS = { in_time = "IN_TIME", late = "LATE" }

local sold_otherwise = {}

-- Which units are to be sold: a count, then sku and quantity each; none of them means all that is held. Nil
-- when an argument is bad.
local function next_parts()
  local count = next_count(LINES_MAX)
  if not count then return nil end
  local parts, good = {}, true
  for i = 1, count do
    local part = { sku = next_arg(), quantity = whole(next_arg()) }
    good = good and part.quantity and part.quantity >= 1
    parts[i] = part
  end
  return good and parts or nil
end

-- Writes into each line how many of its units are to be sold. Returns NOT_HELD when a part is not in the
-- hold, or not with so many units.
local function choose_sold(request)
  local lines, parts = request.lines, request.parts
  request.partial = false
  if #parts == 0 then
    for i = 1, #lines do lines[i].sold = lines[i].quantity end
    return nil
  end
  local wanted, held = {}, {}
  for _, part in ipairs(parts) do wanted[part.sku] = (wanted[part.sku] or 0) + part.quantity end
  for i = 1, #lines do
    local line = lines[i]
    local left = wanted[line.sku] or 0
    line.sold = math.min(line.quantity, left)
    if wanted[line.sku] then wanted[line.sku] = left - line.sold end
    held[line.sku] = (held[line.sku] or 0) + line.quantity
    if line.sold < line.quantity then request.partial = true end
  end
  for _, part in ipairs(parts) do
    if wanted[part.sku] > 0 then return { "NOT_HELD", part.sku, held[part.sku] or 0 } end
  end
  return nil
end

-- What an answer says of a sale behind its word: the order, when, and how, unless all of it was sold in time.
local function sale_words(hold)
  local words = { hold.order_id, hold.ended_at }
  if hold.late or hold.partial then words[3] = hold.late and TERMS.late or TERMS.in_time end
  if hold.partial then
    for line in string.gmatch(hold.lines, "%S+") do words[#words + 1] = line end
  end
  return words
end

-- The answer to who asks again.
local function sold_before(hold)
  if hold.late == nil then
    local values = call("HMGET", hold.hold_key, "late", "partial")
    hold.late, hold.partial = values[1] == "1", values[2] == "1"
  end
  return { "REPLAYED", unpack(sale_words(hold)) }
end

-- Moves a line's units and writes down by how much, since it is not what the event's type says.
local function move_line(line, hold, available_delta, held_delta, active)
  change_stock(line.stock, available_delta, held_delta)
  count_customer(line.sku, hold.user_id, -available_delta, active)
  line.available_delta, line.held_delta = available_delta, held_delta
end

-- Moves the units of a hold of which not all held ones are sold. Returns the lines for its event.
local function move_lines(hold, request, held)
  local moved, sold = {}, {}
  for _, line in ipairs(request.lines) do
    if held then
      move_line(line, hold, line.quantity - line.sold, -line.quantity, -1)
      forget_own_hold(line.sku, hold.user_id, hold.hold_id)
    elseif line.sold > 0 then
      move_line(line, hold, -line.sold, 0, 0)
    end
    if held or line.sold > 0 then moved[#moved + 1] = line end
    if line.sold > 0 then sold[#sold + 1] = line end
    line.quantity = line.sold
  end
  hold.lines = lines_text(sold)
  return moved
end

-- Sells what choose_sold has chosen. Of a hold that is active its held units; of one that has expired such as
-- are available. What was not chosen is available from now on.
local function sell_hold(hold, request)
  local held = hold.status == "ACTIVE"
  local as_usual = held and not request.partial
  local lines = as_usual and request.lines or move_lines(hold, request, held)
  hold.late, hold.partial = not held or now >= whole(hold.expires_at), request.partial
  hold.order_id, hold.ended_at = request.order_id, now_text
  local more = ',"order_id":"' .. hold.order_id .. '"'
  if request.payment_ref ~= "" then
    hold.payment_ref = request.payment_ref
    more = more .. ',"payment_ref":' .. cjson.encode(hold.payment_ref)
  end
  if hold.late then more = more .. ',"late":true' end
  if hold.partial then more = more .. ',"partial":true' end
  local words = sale_words(hold)
  more = more .. remember(request.idem_key, request.fingerprint, " " .. table.concat(words, " "))
  if as_usual then
    end_hold(hold, request, "CONFIRMED", more)
  else
    note_ending(hold, request, "CONFIRMED", lines, more)
  end
  if hold.late or hold.partial then sold_otherwise[#sold_otherwise + 1] = hold end
  return { "CONFIRMED", unpack(words) }
end

-- Beside what every ending writes. A hold that Redis had forgotten is written as a whole.
local function write_sales()
  for _, hold in ipairs(sold_otherwise) do
    call("HSET", hold.hold_key, "lines", hold.lines, "user_id", hold.user_id, "created_at", hold.created_at,
      "expires_at", hold.expires_at)
    if hold.late then call("HSET", hold.hold_key, "late", "1") end
    if hold.partial then call("HSET", hold.hold_key, "partial", "1") end
  end
end
