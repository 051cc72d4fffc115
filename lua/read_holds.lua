#!lua flags=no-writes
-- Reads holds, for a batch of independent requests. The ending scripts need the keys of a hold's stocks,
-- and its lines name them.
-- KEYS  for each request: hold
-- ARGV  requests; for each: deadline (ignored: reading late does no harm), part (HOLD, or LINES)
-- Reply {now_ms, tuples}, one of these for each request:
--   HOLD field value field value ...           the hash as it is
--   LINES text                                 its lines alone, which is half the work
--   HOLD_NOT_FOUND                             or it has no lines
--   CORRUPT key                                the key is not a hash
-- include lib/batch.lua

local function decide()
  next_arg()
  local part, key = next_arg(), next_key()
  if part == "LINES" then
    local lines = read("HMGET", key, "lines")
    if not lines then return { "CORRUPT", key } end
    return lines[1] and { "LINES", lines[1] } or { "HOLD_NOT_FOUND" }
  end
  local fields = read("HGETALL", key)
  if not fields then return { "CORRUPT", key } end
  if #fields == 0 then return { "HOLD_NOT_FOUND" } end
  table.insert(fields, 1, "HOLD")
  return fields
end

return decide_all(decide)
