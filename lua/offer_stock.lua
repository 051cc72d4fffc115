#!lua
-- Offers what stocks have to those who wait for them, for a batch of independent requests: units that came by
-- redis-cli, or with more than one script serves.
-- KEYS  stream, seq, deadlines, generation, rules, customers, own_holds, stopped, waiting; for each
--       request: stock, item
-- ARGV  requests; for each: deadline (ms on Redis's clock)
-- Reply {now_ms, tuples}, one of these for each request:
--   SERVED waiters kept                        so many were served in this call so far; kept is 1 while there
--                                              are units for those whom it has not come to, or else 0
--   LATE, RECOVERING, CORRUPT key, BAD_ARGUMENT  as in create_holds
-- include lib/batch.lua
-- include lib/stock.lua
-- include lib/events.lua
-- include lib/lines.lua
-- include lib/rules.lua
-- include lib/own_holds.lua
-- include lib/hold_event.lua
-- include lib/waiting.lua

local function decide()
  local stock_key, item_key, deadline = next_key(), next_key(), whole(next_arg())
  if not (item_key and deadline) then return { "BAD_ARGUMENT" } end
  if now > deadline then return { "LATE" } end
  if corrupt_key then return { "CORRUPT", corrupt_key } end
  local stock, corrupt_stock = read_stock(stock_key, item_key)
  if not stock then return { "CORRUPT", corrupt_stock } end
  local corrupt = serve(stock)
  if corrupt then return { "CORRUPT", corrupt } end
  return { "SERVED", served, stock.kept and 1 or 0 }
end

local replies = decide_all(decide)
write_events()
write_stocks()
write_counts()
write_own_holds()
write_waiting()
return replies
