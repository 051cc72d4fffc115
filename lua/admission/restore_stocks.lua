#!lua flags=allow-oom
-- Gives stocks back what the ledger has of them. NEWER: only those of which it knows a newer version, so what
-- redis-cli has set since the last event of a stock stays. FORCED: all that are different.
-- KEYS  admission; for each stock: stock, item
-- ARGV  token, rebuild, stocks (a JSON list; of each, all of them texts: available, held, version,
--       changed_at)
-- Reply {RESTORED, stocks, units} | {LOST}, what was written
-- include lib/batch.lua

if read("HGET", next_key(), "token") ~= next_arg() then return { "LOST" } end

local forced = next_arg() == "FORCED"
local stocks, units = 0, 0
for _, stock in ipairs(cjson.decode(next_arg())) do
  local stock_key, item_key = next_key(), next_key()
  local available, held, version, changed_at = unpack(stock)
  local item = read("HMGET", item_key, "version", "held")
  -- What is no hash, or no version, is older than everything.
  local before = not item and -1 or item[1] == false and 0 or whole(item[1]) or -1
  if before < whole(version) or forced and
    (item[1] ~= version or item[2] ~= held or read("GET", stock_key) ~= available) then
    if not item then call("DEL", item_key) end
    call("SET", stock_key, available, "KEEPTTL")
    call("HSET", item_key, "held", held, "version", version, "changed_at", changed_at)
    stocks, units = stocks + 1, units + whole(available) + whole(held)
  end
end
return { "RESTORED", stocks, units }
