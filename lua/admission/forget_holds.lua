#!lua flags=allow-oom
-- Takes out holds that are active in Redis alone: those that ended so long ago that they would be forgotten
-- by now, or that never were. Likewise what idempotency keys did there that nobody else knows of.
-- KEYS  admission, deadlines; for each hold: hold; for each idempotency record: idem
-- ARGV  token, holds; for each: hold_id
-- Reply {RESTORED, holds} | {LOST}, how many were there
-- include lib/batch.lua

local admission_key, deadlines_key = next_key(), next_key()
if read("HGET", admission_key, "token") ~= next_arg() then return { "LOST" } end

local holds, ended = 0, {}
for i = 1, whole(next_arg()) do
  holds = holds + call("DEL", next_key())
  ended[i] = next_arg()
end
call_with_all("ZREM", deadlines_key, ended)
for i = key_index + 1, #KEYS do call("DEL", KEYS[i]) end
return { "RESTORED", holds }
