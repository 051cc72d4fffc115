#!lua flags=allow-oom
-- Ends an admission: opens the fence.
-- KEYS  admission, generation
-- ARGV  token, generation
-- Reply OPEN | LOST
-- include lib/batch.lua

local admission_key, generation_key = next_key(), next_key()
if read("HGET", admission_key, "token") ~= next_arg() then return "LOST" end
call("SET", generation_key, next_arg())
call("DEL", admission_key)
return "OPEN"
