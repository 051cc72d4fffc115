#!lua flags=allow-oom
-- Gives back what customers have of skus that are limited per customer. The ledger has all that was
-- decided, so the first chunk takes the place of whatever Redis has. With it goes the index of own holds,
-- which may name some that have ended since: without it the ledger is asked.
-- KEYS  admission, customers, own_holds
-- ARGV  token, part (FIRST, or NEXT), counts (a JSON list; of each, both of them texts: field, and count)
-- Reply {RESTORED, counts} | {LOST}, what was written
-- include lib/batch.lua

local admission_key, customers_key, own_holds_key = next_key(), next_key(), next_key()
if read("HGET", admission_key, "token") ~= next_arg() then return { "LOST" } end
if next_arg() == "FIRST" then call("DEL", customers_key, own_holds_key) end

local counts = cjson.decode(next_arg())
for _, count in ipairs(counts) do call("HSET", customers_key, count[1], count[2]) end
return { "RESTORED", #counts }
