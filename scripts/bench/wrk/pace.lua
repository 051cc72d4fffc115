-- Returns wrk's delay function for an open loop: each request has its time on a schedule that does not
-- wait for answers. A connection that comes late to its time sends at once.
local ffi = require("ffi")
ffi.cdef([[
  typedef struct { long seconds; long nanos; } bench_time;
  int clock_gettime(int clock, bench_time *now);
]])
local REALTIME = 0

local function now_ms()
  local now = ffi.new("bench_time")
  ffi.C.clock_gettime(REALTIME, now)
  return tonumber(now.seconds) * 1000 + tonumber(now.nanos) / 1e6
end

return function(per_second)
  local next_ms
  return function()
    next_ms = (next_ms or now_ms()) + 1000 / per_second
    return math.max(0, math.ceil(next_ms - now_ms()))
  end
end
