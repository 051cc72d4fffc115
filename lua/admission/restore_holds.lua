#!lua flags=allow-oom
-- Gives back holds as the ledger has them. NEWER: unless Redis has a newer version, so one that has ended
-- stays ended, and one that is active only here ends. FORCED: also then.
-- KEYS  admission, deadlines; for each hold: hold
-- ARGV  token, rebuild, holds (a JSON list; of each, all of them texts: hold_id, status, lines, user_id,
--       created_at, expires_at, version; and, each empty as long as it is active or when there is none:
--       ended_at, ended_by, order_id, payment_ref, extensions, late, partial). One text is quicker to send
--       than a dozen for each hold
-- Reply {RESTORED, holds} | {LOST}, what was written
-- include lib/batch.lua

local ENDED_KEPT_MS = 24 * 60 * 60 * 1000

local admission_key, deadlines_key = next_key(), next_key()
if read("HGET", admission_key, "token") ~= next_arg() then return { "LOST" } end
if read("ZCARD", deadlines_key) == nil then call("DEL", deadlines_key) end

local forced = next_arg() == "FORCED"
local holds, due, ended = 0, {}, {}

local function write(hold_key, hold)
  local _, status, lines, user_id, created_at, expires_at, version = unpack(hold)
  local ended_at, ended_by, order_id, payment_ref, extensions, late, partial = unpack(hold, 8)
  call("DEL", hold_key)
  call("HSET", hold_key, "status", status, "lines", lines, "user_id", user_id, "created_at", created_at,
    "expires_at", expires_at, "version", version)
  if extensions ~= "" then call("HSET", hold_key, "extensions", extensions) end
  if ended_at == "" then return end
  call("HSET", hold_key, "ended_at", ended_at, "ended_by", ended_by)
  if order_id ~= "" then call("HSET", hold_key, "order_id", order_id) end
  if payment_ref ~= "" then call("HSET", hold_key, "payment_ref", payment_ref) end
  if late == "1" then call("HSET", hold_key, "late", late) end
  if partial == "1" then call("HSET", hold_key, "partial", partial) end
  call("PEXPIREAT", hold_key, format("%d", whole(ended_at) + ENDED_KEPT_MS))
end

for _, hold in ipairs(cjson.decode(next_arg())) do
  local hold_key = next_key()
  local hold_id, expires_at, version, ended_at = hold[1], hold[6], whole(hold[7]), hold[8]
  local found = read("HGET", hold_key, "version")
  local before = found == false and 0 or whole(found) or -1
  if before < version or forced then
    write(hold_key, hold)
    holds = holds + 1
  end
  if before <= version or forced then
    if ended_at ~= "" then
      ended[#ended + 1] = hold_id
    else
      due[#due + 1] = expires_at
      due[#due + 1] = hold_id
    end
  end
end
-- NX: the sweeper may have put off one that it could not expire.
for first = 1, #due, 1000 do
  call("ZADD", deadlines_key, "NX", unpack(due, first, math.min(first + 999, #due)))
end
call_with_all("ZREM", deadlines_key, ended)
return { "RESTORED", holds }
