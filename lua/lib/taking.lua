-- Whether the rules of a sale let somebody take units, and for how long. Needs lib/closed.lua.

-- What a customer has of a sku, once the hold that makes room (see below) is gone.
local function count_without(sku, user_id, freed)
  local count = count_of(sku, user_id) or NO_COUNT
  if not freed.units[sku] then return count end
  return { units = count.units - (freed.units[sku] or 0), active = count.active - (freed.holds[sku] or 0) }
end

-- Why a customer may not have `units` of a sku in one order, and in `holds` more active holds; or nil.
local function limit_reply(sku, rules, user_id, units, holds, freed)
  if not (rules.max_per_order or rules.max_per_customer or rules.max_active_holds) then return nil end
  local count = count_without(sku, user_id, freed)
  local limited = rules.max_per_customer or rules.max_active_holds
  if limited and user_id == "" then return { "CUSTOMER_REQUIRED", sku } end
  local name, left = passed_limit(rules, count, units, holds)
  return name and { "LIMIT_EXCEEDED", sku, name, rules[name], left }
end

-- What a hold that makes room for another one gives back: units by stock key, units and holds by sku.
local NOTHING_FREED = { stock = {}, units = {}, holds = {} }

local function freed_by(lines)
  local freed = { stock = {}, units = {}, holds = {} }
  for i = 1, #lines do
    local line = lines[i]
    freed.stock[line.stock_key] = (freed.stock[line.stock_key] or 0) + line.quantity
    freed.units[line.sku] = (freed.units[line.sku] or 0) + line.quantity
    freed.holds[line.sku] = (freed.holds[line.sku] or 0) + 1
  end
  return freed
end

-- Why the rules refuse to sell or hold these lines, or nil. Call read_rules before.
local function rules_reply(lines, user_id, holds, freed)
  if not filled[rules_key] and not filled[stopped_key] then return nil end
  local units = {}
  for i = 1, #lines do
    local line = lines[i]
    local refused = closed_reply(line.sku, rules_of(line.sku))
    if refused then return refused end
    units[line.sku] = (units[line.sku] or 0) + line.quantity
  end
  for i = 1, #lines do
    local sku = lines[i].sku
    local rules = rules_of(sku)
    local refused = rules and limit_reply(sku, rules, user_id, units[sku], holds, freed)
    if refused then return refused end
  end
  return nil
end

-- How many units of a sku the rules let a customer have in this order, beside `taken`; nil: any number.
local function units_allowed(sku, user_id, taken, freed)
  local rules = rules_of(sku)
  if not rules then return nil end
  local count = count_without(sku, user_id, freed)
  local of_order = limit_left(rules, "max_per_order", taken)
  local of_customer = limit_left(rules, "max_per_customer", count.units + taken)
  if not of_order or not of_customer then return of_order or of_customer end
  return math.min(of_order, of_customer)
end

-- How long a hold of these lines lasts: as asked, else as their rules say, else as usual, and the jitter on
-- top of it; never longer than any hold of them may.
local function hold_ms_of(lines, asked_ms, usual_ms, jitter_ms)
  local seconds = not asked_ms and least_rule(lines, "hold_seconds")
  local ms = asked_ms or (seconds and seconds * 1000) or usual_ms
  return math.min(ms + jitter_ms, hold_ms_max_of(lines))
end
