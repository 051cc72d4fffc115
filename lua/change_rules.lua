#!lua
-- Sets the rules of skus, or takes them away, for a batch of independent requests.
-- KEYS  stream, seq, deadlines, generation, rules, customers, own_holds, stopped, waiting; for each
--       request: idem
-- ARGV  requests; for each: deadline (ms on Redis's clock), event_id, request_id, fingerprint, actor, sku,
--       if_version (may be empty), rules (as lua/lib/rules.lua reads them, without version and counts; empty
--       to take them away)
-- Reply {now_ms, tuples}, one of these for each request:
--   CHANGED event_id version at                from now on; the event is in the stream
--   REPLAYED event_id version at               this key did it before
--   IDEMPOTENCY_KEY_REUSED                     the key belongs to another request
--   RULES_NOT_FOUND                            there are none to take away
--   VERSION_CONFLICT version                   they are not at if_version; 0 is none
--   LATE, RECOVERING, CORRUPT key, BAD_ARGUMENT  as in create_holds
-- A version is the seq of the event that made it: rules that were taken away and set again have no old one.
-- Once a sku is limited per customer, customers are counted for good: rules may come back.
-- include lib/batch.lua
-- include lib/events.lua
-- include lib/idempotency.lua
-- include lib/rules.lua

local changed = {}

local function next_change()
  return {
    idem_key = next_key(),
    deadline = whole(next_arg()),
    event_id = next_arg(),
    request_id = next_arg(),
    fingerprint = next_arg(),
    actor = next_arg(),
    sku = next_arg(),
    if_version = next_arg(),
    rules = next_arg(),
  }
end

local function is_good(change)
  return change.rules and change.deadline and change.sku ~= "" and parse_rules(change.rules)
    and (change.if_version == "" or whole(change.if_version))
end

-- The text that is kept: what was sent, and what only this script knows. Of rules that were taken away it
-- stays only if customers are counted.
local function kept_text(change, version, is_counted)
  local counts = is_counted and " counts=1" or ""
  if change.rules == "" and not is_counted then return "" end
  if change.rules == "" then return format("version=%d%s removed=1", version, counts) end
  return format("version=%d%s %s", version, counts, change.rules)
end

-- What was said before, without what only this script adds: as JSON.
local function before_json(before)
  if not before or before.removed then return "null" end
  local said = {}
  for name, value in pairs(before) do
    if name ~= "version" and name ~= "counts" then said[name] = value end
  end
  return cjson.encode(said)
end

local function apply(change, before)
  local version, wanted = next_seq(), parse_rules(change.rules)
  local was_counted = before and before.counts or false
  local is_counted = was_counted or (wanted.max_per_customer or wanted.max_active_holds) ~= nil
  local text = kept_text(change, version, is_counted)
  local result = format(" %s %d %d", change.event_id, version, now)
  local record = remember(change.idem_key, change.fingerprint, result)
  add_event(change.event_id, "RULES_CHANGED", '{"event_version":1,"occurred_at":' .. now_text
    .. ',"request_id":' .. cjson.encode(change.request_id)
    .. ',"actor":' .. cjson.encode(change.actor)
    .. ',"sku":' .. cjson.encode(change.sku)
    .. ',"version":' .. format("%d", version)
    .. ',"rules":' .. (change.rules == "" and "null" or cjson.encode(wanted))
    .. ',"before":' .. before_json(before)
    .. ',"counts":' .. tostring(is_counted)
    .. ',"counting_begins":' .. tostring(is_counted and not was_counted) .. record .. "}")
  rules_by_sku[change.sku] = text ~= "" and parse_rules(text)
  changed[change.sku] = text
  return { "CHANGED", change.event_id, version, now }
end

local function decide()
  local change = next_change()
  if not is_good(change) then return { "BAD_ARGUMENT" } end
  if now > change.deadline then return { "LATE" } end

  local corrupt = corrupt_key or (not read_sku_rules(change.sku) and rules_key)
  if corrupt then return { "CORRUPT", corrupt } end

  local answer = earlier_answer(change.idem_key, change.fingerprint)
  if answer then return answer end

  local before = rules_of(change.sku)
  local is_there = before and not before.removed
  if change.if_version ~= "" and whole(change.if_version) ~= (is_there and before.version or 0) then
    return { "VERSION_CONFLICT", is_there and before.version or 0 }
  end
  if change.rules == "" and not is_there then return { "RULES_NOT_FOUND" } end
  return apply(change, before)
end

local function write_rules()
  for sku, text in pairs(changed) do
    if text == "" then call("HDEL", rules_key, sku) else call("HSET", rules_key, sku, text) end
  end
end

local replies = decide_all(decide)
write_events()
write_rules()
write_records()
return replies
