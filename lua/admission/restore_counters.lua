#!lua flags=allow-oom
-- Lets the sequence of events go on behind everything that was ever counted, and the stream behind every
-- entry that was ever recorded: also when Redis's clock is behind that of before. And makes known which
-- stores there are.
-- KEYS  admission, seq, stream, stores
-- ARGV  token, seq, entry_id, group, stores; for each: store_id, latency_rank
-- Reply {RESTORED, stores} | {LOST}
-- include lib/batch.lua

local admission_key, seq_key, stream_key, stores_key = next_key(), next_key(), next_key(), next_key()
if read("HGET", admission_key, "token") ~= next_arg() then return { "LOST" } end
local seq, entry_id, group = next_arg(), next_arg(), next_arg()

if (whole(read("GET", seq_key)) or 0) < whole(seq) then call("SET", seq_key, seq) end

local function id_parts(id)
  local ms, n = string.match(id, "^(%d+)-(%d+)$")
  return whole(ms) or 0, whole(n) or 0
end

local function is_earlier(id, other)
  local ms, n = id_parts(id)
  local other_ms, other_n = id_parts(other)
  return ms < other_ms or ms == other_ms and n < other_n
end

redis.pcall("XGROUP", "CREATE", stream_key, group, "0", "MKSTREAM") -- it may be there
local about = redis.pcall("XINFO", "STREAM", stream_key)
for i = 1, #about, 2 do
  if about[i] == "last-generated-id" and is_earlier(about[i + 1], entry_id) then
    call("XSETID", stream_key, entry_id)
  end
end

local stores = whole(next_arg())
if stores > 0 and read("HLEN", stores_key) == nil then call("DEL", stores_key) end
for _ = 1, stores do call("HSET", stores_key, next_arg(), next_arg()) end
return { "RESTORED", stores }
