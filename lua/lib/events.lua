-- The facts this batch makes. They are collected while requests are decided and appended as the first
-- writes: XADD is the only command left that can fail on data (an exhausted stream id), and Lua does not
-- roll back what came before it.
local stream_key, seq_key, deadlines_key = next_key(), next_key(), next_key()
local generation_key = next_key()
local rules_key, customers_key, own_holds_key = next_key(), next_key(), next_key()
local stopped_key, waiting_key = next_key(), next_key()

-- The fence. A Redis that has lost its scripts runs none; but one that was flushed still has them, and so
-- has a former master that comes back. The key is the last thing an admission sets, and the first it takes.
if read("GET", generation_key) ~= GENERATION then return refuse_all("RECOVERING") end

-- All that any script writes with. A user who may not run one of them would be stopped in the middle of the
-- writes, and what came before would stay: so nothing is begun. The three arguments are for any of them.
local WRITES = {
  "XADD", "SET", "INCRBY", "HSET", "HSETNX", "HINCRBY", "HDEL", "PEXPIREAT", "ZADD", "ZREM", "PUBLISH"
}
for i = 1, #WRITES do
  if not redis.acl_check_cmd(WRITES[i], seq_key, "1", "1") then
    return { err = "NOPERM The user of Redis may not run " .. WRITES[i] .. ", nothing done." }
  end
end

local events = {}
-- Which of the shared hashes have anything in them: the others are not asked again.
local filled = {}

-- The newest event's, as it was before this batch.
local seq_before = nil

-- The name of a shared key that holds something else than it should, or nil.
local function corrupt_shared_key()
  if read("XLEN", stream_key) == nil then return stream_key end
  if read("ZCARD", deadlines_key) == nil then return deadlines_key end
  local seq = read("GET", seq_key)
  seq_before = seq ~= nil and whole(seq or "0")
  if not seq_before then return seq_key end
  local hashes = { rules_key, customers_key, own_holds_key, stopped_key, waiting_key }
  if call("EXISTS", unpack(hashes)) == 0 then return nil end
  for i = 1, #hashes do
    local size = read("HLEN", hashes[i])
    if not size then return hashes[i] end
    filled[hashes[i]] = size > 0
  end
  return nil
end
local corrupt_key = corrupt_shared_key()

-- What the next event's seq will be.
local function next_seq()
  return seq_before + #events + 1
end

-- The W3C traceparents of the requests that are traced, by place: behind the count of requests the first
-- argument has ` <place>=<traceparent>` of each. A count alone is shorter, and then nothing is looked for.
local traceparents = nil
if #(ARGV[1] or "") > 15 then
  traceparents = {}
  for place, traceparent in string.gmatch(ARGV[1], " (%d+)=(00%-%x+%-%x+%-%x%x)") do
    traceparents[whole(place)] = traceparent
  end
end

-- The payload with the trace of the request that makes the event, so that its recording can be found by it.
local function traced(payload)
  local traceparent = traceparents[deciding]
  if not traceparent then return payload end
  return string.sub(payload, 1, -2) .. ',"traceparent":"' .. traceparent .. '"}'
end

local function add_event(event_id, event_type, payload)
  if traceparents then payload = traced(payload) end
  events[#events + 1] = { event_id = event_id, type = event_type, payload = payload }
end

local function write_events()
  if #events == 0 then return end
  for i = 1, #events do
    local event = events[i]
    call("XADD", stream_key, "*", "event_id", event.event_id, "type", event.type,
      "payload", event.payload, "seq", format("%d", seq_before + i), "generation", GENERATION)
  end
  local last = format("%d", seq_before + #events)
  call("SET", seq_key, last)
  -- On a channel of that name. It leaves Redis together with the reply, so who listens knows of all that
  -- anybody was told, also when Redis is emptied before it is recorded: src/redis/heard.ts.
  call("PUBLISH", seq_key, "DECIDED " .. GENERATION .. " " .. last)
end
