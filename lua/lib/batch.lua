-- What every batch script starts with: Redis's clock, read once (before 7.2 each TIME call is a new
-- reading), and the arguments, taken in order.
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local key_index, arg_index = 0, 0

local function next_key()
  key_index = key_index + 1
  return KEYS[key_index]
end

local function next_arg()
  arg_index = arg_index + 1
  return ARGV[arg_index]
end

-- A plain whole number of at most 15 digits, or nil. Bare tonumber would also take "nan", "0x10",
-- "1e1" and "-5"; a leading zero is refused because INCRBY refuses it, and that after other writes.
local function whole(text)
  if type(text) ~= "string" or #text > 15 then return nil end
  if text ~= "0" and not string.find(text, "^[1-9]%d*$") then return nil end
  return tonumber(text)
end

-- GET, HMGET and the like on a key of another type answer an error table; it becomes nil here, so that
-- one call tells both the type and the value.
local function read(...)
  local reply = redis.pcall(...)
  if type(reply) == "table" and reply.err then return nil end
  return reply
end

-- Runs decide once for each request and returns what every batch script replies: Redis's clock in ms
-- (the API keeps its request deadlines on it) and one tuple for each request, in order.
local function decide_all(decide)
  local replies = {}
  for i = 1, whole(next_arg()) or 0 do replies[i] = decide() end
  return { now, replies }
end
