-- Which active hold a customer has of a sku: of skus with rules, of holds asked for with REPLACE, and of
-- those that were offered. There is an entry as long as the hold is active. Needs lib/rules.lua.
local own_by_field, changed_own, own_known = {}, {}, false

local function own_field(sku, user_id)
  return sku .. " " .. user_id
end

-- The hold's id, or false.
local function own_hold_of(sku, user_id)
  local field = own_field(sku, user_id)
  if own_by_field[field] == nil then
    own_by_field[field] = filled[own_holds_key] and call("HGET", own_holds_key, field) or false
  end
  return own_by_field[field]
end

local function set_own_hold(sku, user_id, hold_id)
  local field = own_field(sku, user_id)
  own_by_field[field], changed_own[field], own_known = hold_id, true, true
end

-- A hold that ends is nobody's own any more.
local function forget_own_hold(sku, user_id, hold_id)
  if not own_known and not filled[own_holds_key] then return end
  if own_hold_of(sku, user_id) == hold_id then set_own_hold(sku, user_id, false) end
end

local function write_own_holds()
  local set, gone = {}, {}
  for field in pairs(changed_own) do
    local hold_id = own_by_field[field]
    if hold_id then
      set[#set + 1] = field
      set[#set + 1] = hold_id
    else
      gone[#gone + 1] = field
    end
  end
  call_with_all("HSET", own_holds_key, set)
  call_with_all("HDEL", own_holds_key, gone)
end
