#!lua flags=allow-oom
-- Notes the generation that this Redis is going to have.
-- KEYS  admission
-- ARGV  token, generation
-- Reply NOTED | LOST
-- include lib/batch.lua

local admission_key = next_key()
if read("HGET", admission_key, "token") ~= next_arg() then return "LOST" end
call("HSET", admission_key, "generation", next_arg())
return "NOTED"
