-- What an idempotency key already did, kept as "<fingerprint> <result...>". Only what took effect is
-- remembered; a refusal may be asked again with the same key.
local IDEM_MS = 24 * 60 * 60 * 1000
local records = {}
-- A script that knows says so: no key of this batch did anything before it.
local all_new = false

-- The answer this key already has for the request: a replay, or a refusal when the key belongs to another
-- one or holds another type. Nil when it is new, or there is no key.
local function earlier_answer(idem_key, fingerprint)
  if not idem_key then return nil end
  local text = records[idem_key]
  if text == nil then text = not all_new and read("GET", idem_key) end
  if text == nil then return { "CORRUPT", idem_key } end
  if text == false then return nil end
  local words = {}
  for word in string.gmatch(text, "%S+") do words[#words + 1] = word end
  if words[1] ~= fingerprint then return { "IDEMPOTENCY_KEY_REUSED" } end
  words[1] = "REPLAYED"
  return words
end

-- `result` is words, each with a space before it. Returns the record as a member of the event's payload, with
-- a leading comma: with it Postgres can give back what Redis has lost.
local function remember(idem_key, fingerprint, result)
  if not idem_key then return "" end
  local text = fingerprint .. result
  records[idem_key] = text
  return ',"record":' .. cjson.encode({ idem_key, text })
end

local function write_records()
  local kept_until = format("%d", now + IDEM_MS)
  for idem_key, text in pairs(records) do call("SET", idem_key, text, "PXAT", kept_until) end
end
