#!lua flags=allow-oom
-- Gives back the rules of sales as the ledger has them. NEWER: unless Redis has newer ones. FORCED: always,
-- and with the first chunk those that Redis alone has are forgotten.
-- KEYS  admission, rules
-- ARGV  token, rebuild, part (FIRST, or NEXT), rules (a JSON list; of each, both of them texts: sku, and what
--       Redis keeps of it)
-- Reply {RESTORED, skus} | {LOST}, what was written
-- include lib/batch.lua

local admission_key, rules_key = next_key(), next_key()
if read("HGET", admission_key, "token") ~= next_arg() then return { "LOST" } end
local forced, is_first = next_arg() == "FORCED", next_arg() == "FIRST"
if (forced and is_first) or read("HLEN", rules_key) == nil then call("DEL", rules_key) end

local function version_of(text)
  return text and whole(string.match(text, "version=(%d+)")) or 0
end

local written = 0
for _, rules in ipairs(cjson.decode(next_arg())) do
  local sku, text = unpack(rules)
  if version_of(call("HGET", rules_key, sku)) < version_of(text) then
    call("HSET", rules_key, sku, text)
    written = written + 1
  end
end
return { "RESTORED", written }
