#!lua flags=no-writes
-- Adds up the units of active holds by stock.
-- KEYS  for each hold: hold
-- Reply for each stock: sku@store_id, units. What is no hold, or not active, has none
-- include lib/batch.lua

local sums, stocks = {}, {}
for i = 1, #KEYS do
  local hold = read("HMGET", KEYS[i], "status", "lines")
  if hold and hold[1] == "ACTIVE" and hold[2] then
    for stock, quantity in string.gmatch(hold[2], "(%S+)=(%d+)") do
      if not sums[stock] then stocks[#stocks + 1] = stock end
      sums[stock] = (sums[stock] or 0) + (whole(quantity) or 0)
    end
  end
end

local reply = {}
for i, stock in ipairs(stocks) do
  reply[2 * i - 1], reply[2 * i] = stock, sums[stock]
end
return reply
