#!lua flags=allow-oom
-- Gives back what idempotency keys did.
-- KEYS  admission; for each record: idem
-- ARGV  token, records (a JSON list; of each: text, as lua/lib/idempotency.lua remembers it, and kept_until,
--       which is a text too)
-- Reply {RESTORED, records} | {LOST}
-- include lib/batch.lua

if read("HGET", next_key(), "token") ~= next_arg() then return { "LOST" } end

local records = cjson.decode(next_arg())
for i = 1, #records do call("SET", next_key(), records[i][1], "PXAT", records[i][2]) end
return { "RESTORED", #records }
