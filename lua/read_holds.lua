#!lua flags=no-writes
-- Reads holds, for a batch of independent requests. The ending scripts need the keys of a hold's stocks,
-- and its lines name them.
-- KEYS  for each request: hold
-- ARGV  requests; for each: deadline (ignored: reading late does no harm)
-- Reply {now_ms, tuples}, one of these for each request:
--   HOLD field value field value ...           the hash as it is
--   HOLD_NOT_FOUND
--   CORRUPT key                                the key is not a hash
-- include lib/batch.lua

local function decide()
  next_arg()
  local key = next_key()
  local fields = read("HGETALL", key)
  if not fields then return { "CORRUPT", key } end
  if #fields == 0 then return { "HOLD_NOT_FOUND" } end
  table.insert(fields, 1, "HOLD")
  return fields
end

return decide_all(decide)
