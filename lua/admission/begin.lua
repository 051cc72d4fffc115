#!lua flags=allow-oom
-- Closes the fence and begins an admission. Whoever had begun one before can't go on with it: the token is
-- another one.
-- KEYS  generation, admission
-- ARGV  token
-- Reply the highest generation that this Redis knows of, as text
-- include lib/batch.lua

local generation_key, admission_key = next_key(), next_key()
local token = next_arg()

local admitted = whole(read("GET", generation_key)) or 0
local begun = whole(read("HGET", admission_key, "generation")) or 0
local last = format("%d", math.max(admitted, begun))

call("DEL", generation_key, admission_key)
call("HSET", admission_key, "token", token, "generation", last)
return last
