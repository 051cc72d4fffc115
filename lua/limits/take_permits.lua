#!lua
-- Takes permits out of the buckets of callers, customers and addresses, for a batch of independent requests.
-- A bucket is the moment at which it is full again. It is forgotten then, so only those in use take memory.
-- KEYS  for each request: bucket
-- ARGV  for each request: interval_us (one more comes in after each), burst (what a full bucket has),
--       needed, ahead (so many more are welcome, while there is plenty)
-- Reply for each request three numbers: granted, left, wait_us (until there is one more, when none is left)
-- include lib/batch.lua

-- What is forgotten with a restart is full afterwards, and nobody's loss: so it goes into no file, which
-- would have to be synced before each answer, and to no replica.
redis.set_repl(redis.REPL_NONE)

-- Since September 2020, so that it has the 15 digits that whole() takes, until 2052.
local now_us = (time[1] - 1600000000) * 1000000 + time[2]
-- Only a part of what is left is given ahead: who asks next may need it.
local PLENTY = 8

local replies = {}
for i = 1, #KEYS do
  local bucket_key = next_key()
  local interval, burst = whole(next_arg()), whole(next_arg())
  local needed, ahead = whole(next_arg()), whole(next_arg())
  -- Anything unreadable is a full bucket: a limit must not stop a sale.
  local kept = math.max(whole(read("GET", bucket_key)) or now_us, now_us)
  -- After a smaller limit was set, or the clock was set back, an empty one fills as from now on.
  local full_at = math.min(kept, now_us + interval * burst)
  local left = burst - math.ceil((full_at - now_us) / interval)
  local granted = math.min(needed, left)
  granted = granted + math.min(ahead, math.floor((left - granted) / PLENTY))
  left = left - granted
  full_at = full_at + granted * interval
  if full_at ~= kept then
    local kept_ms = math.ceil((full_at - now_us) / 1000)
    call("SET", bucket_key, format("%.0f", full_at), "PX", format("%.0f", kept_ms))
  end
  local first = #replies
  replies[first + 1] = granted
  replies[first + 2] = left
  replies[first + 3] = left > 0 and 0 or math.max(1, full_at - now_us - (burst - 1) * interval)
end
return replies
