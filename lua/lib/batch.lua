-- What every batch script starts with: Redis's clock, read once (before 7.2 each TIME call is a new
-- reading), and the arguments, taken in order.
local KEYS, ARGV, call, format = KEYS, ARGV, redis.call, string.format -- locals are found without a look-up

-- The admission of Redis that this script belongs to. src/redis/scripts.ts puts its number in here, which
-- gives the script another SHA each time.
local GENERATION = "0"

local time = call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local now_text = format("%d", now)

-- No hold lasts longer, from its creation on.
local HOLD_MS_MAX = 24 * 60 * 60 * 1000

local key_index, arg_index = 0, 0

local function next_key()
  key_index = key_index + 1
  return KEYS[key_index]
end

local function next_arg()
  arg_index = arg_index + 1
  return ARGV[arg_index]
end

-- So many arguments at once, where each of many requests has them: one by one they cost a call each.
local function next_args(count)
  local first = arg_index + 1
  arg_index = arg_index + count
  return unpack(ARGV, first, arg_index)
end

local numbers = {}

-- A plain whole number of at most 15 digits, or nil. Bare tonumber would also take "nan", "0x10",
-- "1e1" and "-5"; a leading zero is refused because INCRBY refuses it, and that after other writes.
-- Numbers are remembered: the requests of a batch have most of them in common.
local function whole(text)
  local number = numbers[text]
  if number then return number end
  if type(text) ~= "string" or #text > 15 then return nil end
  if text ~= "0" and not string.find(text, "^[1-9]%d*$") then return nil end
  number = tonumber(text)
  numbers[text] = number
  return number
end

-- How many of something follow, or nil. Without a count it is not known where the next request begins:
-- from there on all of them are bad.
local lost_count = false

local function next_count(max)
  local count = whole(next_arg())
  lost_count = lost_count or not count or count > max
  if lost_count then return nil end
  return count
end

-- GET, HMGET and the like on a key of another type answer an error table; it becomes nil here, so that
-- one call tells both the type and the value.
local function read(...)
  local reply = redis.pcall(...)
  if type(reply) == "table" and reply.err then return nil end
  return reply
end

-- Runs a command once for all its arguments, or for a thousand at a time: unpack has a limit.
local function call_with_all(command, key, args)
  for first = 1, #args, 1000 do
    call(command, key, unpack(args, first, math.min(first + 999, #args)))
  end
end

-- How many requests there are: the first argument, or what it begins with when some of them are traced. Each
-- has arguments, so a number beyond all reason ends with them.
local function request_count(text)
  return math.min(whole(text) or whole(string.match(text or "", "^%d+")) or 0, #ARGV)
end

-- The place of the request that is being decided; 0 before and afterwards.
local deciding = 0

-- Runs decide once for each request, with its place, and returns what every batch script replies: Redis's
-- clock in ms (the API keeps its request deadlines on it) and one tuple for each request, in order. A script
-- that has taken its arguments already says how many requests there were.
local function decide_all(decide, count)
  local replies = {}
  for i = 1, count or request_count(next_arg()) do
    deciding = i
    replies[i] = decide(i)
  end
  deciding = 0
  return { now, replies }
end

-- Replies the same word to each request, without a look at any of them.
local function refuse_all(word)
  local replies = {}
  for i = 1, request_count(ARGV[1]) do replies[i] = { word } end
  return { now, replies }
end
