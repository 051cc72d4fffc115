-- The rules of a sale, by sku, and what each customer has of a sku that is limited per customer. Where no sku
-- has rules, a whole batch pays a look at whether any has.
local SWITCHES = { paused = true, returns_free = true, counts = true, removed = true }
local rules_by_sku, counts, changed_counts = {}, {}, {}
local NO_COUNT = { units = 0, active = 0 }

-- Rules are one text, "<name>=<number>" joined by spaces, in which a switch is 1 or not there. What they may
-- be called stands in src/domain/rules.ts. Nil when it is something else.
local function parse_rules(text)
  local rules = {}
  for word in string.gmatch(text, "%S+") do
    local name, value = string.match(word, "^([a-z_]+)=(%d+)$")
    local number = whole(value)
    if not number then return nil end
    if SWITCHES[name] then rules[name] = number == 1 else rules[name] = number end
  end
  return rules
end

-- Of a sku whose rules were read: they, or false when it has none.
local function rules_of(sku)
  return rules_by_sku[sku] or false
end

local function read_sku_rules(sku)
  if rules_by_sku[sku] ~= nil or not filled[rules_key] then return true end
  local text = call("HGET", rules_key, sku)
  local rules = text and parse_rules(text)
  if rules == nil then return false end
  rules_by_sku[sku] = rules
  return true
end

-- What a customer has of a sku: units, live or sold, and active holds. Nil when nobody has read it.
local function count_of(sku, user_id)
  local of_sku = counts[sku]
  return of_sku and of_sku[user_id]
end

local function keep_count(sku, user_id, field, units, active)
  counts[sku] = counts[sku] or {}
  counts[sku][user_id] = { field = field, units = units, active = active }
  return true
end

-- Reads it, once; false when it is corrupt.
local function read_count(sku, user_id)
  if count_of(sku, user_id) then return true end
  local field = sku .. " " .. user_id
  local text = filled[customers_key] and call("HGET", customers_key, field)
  if not text then return keep_count(sku, user_id, field, 0, 0) end
  local minus, units, below, active = string.match(text, "^(%-?)(%d+) (%-?)(%d+)$")
  units, active = whole(units), whole(active)
  if not units or not active then return false end
  return keep_count(sku, user_id, field,
    minus == "-" and -units or units, below == "-" and -active or active)
end

-- Reads what the rules of some lines' skus are about; returns nil, or the name of a corrupt key.
local function read_rules(lines, user_id)
  if not filled[rules_key] then return nil end
  for i = 1, #lines do
    local sku = lines[i].sku
    if not read_sku_rules(sku) then return rules_key end
    local rules = rules_of(sku)
    if rules and rules.counts and user_id ~= "" and not read_count(sku, user_id) then
      return customers_key
    end
  end
  return nil
end

-- The least of a number that the lines' rules may have, and its sku; or nil.
local function least_rule(lines, name)
  local least, sku = nil, nil
  for i = 1, #lines do
    local rules = rules_of(lines[i].sku)
    local number = rules and rules[name]
    if number and (not least or number < least) then least, sku = number, lines[i].sku end
  end
  return least, sku
end

-- How long a hold of these lines may last from its creation on, however it comes by its deadline.
local function hold_ms_max_of(lines)
  local seconds = least_rule(lines, "max_hold_seconds")
  return seconds and seconds * 1000 or HOLD_MS_MAX
end

-- Counts what a customer takes and gives back, of a sku whose rules count it.
local function count_customer(sku, user_id, units, active)
  local rules = rules_of(sku)
  local count = rules and rules.counts and count_of(sku, user_id)
  if not count then return end
  count.units, count.active = count.units + units, count.active + active
  changed_counts[count.field] = count
end

local function write_counts()
  local set, gone = {}, {}
  for field, count in pairs(changed_counts) do
    if count.units == 0 and count.active == 0 then
      gone[#gone + 1] = field
    else
      set[#set + 1] = field
      set[#set + 1] = format("%d %d", count.units, count.active)
    end
  end
  call_with_all("HSET", customers_key, set)
  call_with_all("HDEL", customers_key, gone)
end

local stopped_by_sku = {}

-- What keeps everybody from taking a sku now, or nil. Somebody has to look at a stopped one first.
local function closed_by(sku)
  if filled[stopped_key] then
    if stopped_by_sku[sku] == nil then stopped_by_sku[sku] = call("HEXISTS", stopped_key, sku) == 1 end
    if stopped_by_sku[sku] then return "stopped" end
  end
  local rules = rules_of(sku)
  if not rules then return nil end
  if rules.paused then return "paused" end
  if rules.opens_at and now < rules.opens_at then return "opens_at" end
  if rules.closes_at and now >= rules.closes_at then return "closes_at" end
  return nil
end

-- What is left of a limit, or nil when there is none.
local function limit_left(rules, name, used)
  local limit = rules[name]
  return limit and math.max(0, limit - used)
end

-- Which limit a customer with this count would pass by `units` more in one order and `holds` more active
-- holds, and how much of it is left; or nil.
local function passed_limit(rules, count, units, holds)
  local left = limit_left(rules, "max_per_order", 0)
  if left and units > left then return "max_per_order", left end
  left = limit_left(rules, "max_active_holds", count.active)
  if left and holds > left then return "max_active_holds", left end
  left = limit_left(rules, "max_per_customer", count.units)
  if left and units > left then return "max_per_customer", left end
  return nil
end
