-- What an idempotency key already did, kept as "<fingerprint> <result...>". Only what took effect is
-- remembered; a refusal may be asked again with the same key.
local IDEM_MS = 24 * 60 * 60 * 1000
local records = {}

-- The record's words, {} when the key is unused, nil when it holds another type.
local function read_record(idem_key)
  local text = records[idem_key]
  if text == nil then text = read("GET", idem_key) end
  if text == nil then return nil end
  local words = {}
  for word in string.gmatch(text or "", "%S+") do words[#words + 1] = word end
  return words
end

-- The answer this key already has for the request, or nil when it is new.
local function replay(record, fingerprint)
  if #record == 0 then return nil end
  if record[1] ~= fingerprint then return { "IDEMPOTENCY_KEY_REUSED" } end
  record[1] = "REPLAYED"
  return record
end

local function remember(idem_key, fingerprint, ...)
  records[idem_key] = table.concat({ fingerprint, ... }, " ")
end

local function write_records()
  for idem_key, text in pairs(records) do redis.call("SET", idem_key, text, "PX", IDEM_MS) end
end
