-- What a reserve may have to meet beside having units: the rules of a sale, who waits, PARTIAL and REPLACE.
-- include lib/rules.lua
-- include lib/own_holds.lua
-- include lib/closed.lua
-- include lib/taking.lua
-- include lib/serving.lua
-- include lib/ending.lua

-- How the hold ends that another one takes the place of.
local ENDED_AS = { due = "EXPIRED", live = "CANCELLED" }

-- Makes the lines of a PARTIAL request as small as they must be; when nothing would be left they stay as
-- they are, to be refused. What each was granted goes into the answer.
local function shrink(request, freed)
  local taken, kept, granted = {}, {}, {}
  for i, line in ipairs(request.lines) do
    local units = math.min(line.quantity, free_units(line.stock) + (freed.stock[line.stock_key] or 0))
    local allowed = units_allowed(line.sku, request.user_id, taken[line.sku] or 0, freed)
    units = math.min(units, allowed or units)
    granted[i], taken[line.sku] = units, (taken[line.sku] or 0) + units
    if units > 0 then kept[#kept + 1] = { line = line, units = units } end
  end
  if #kept == 0 then return end
  request.granted, request.lines = granted, {}
  for i, keep in ipairs(kept) do
    keep.line.quantity = keep.units
    request.lines[i] = keep.line
  end
end

-- Whether a hold has any of the skus asked for. The ledger may have named one that was changed since.
local function has_any_of(lines, wanted)
  local skus = {}
  for _, line in ipairs(wanted) do skus[line.sku] = true end
  for _, line in ipairs(lines) do
    if skus[line.sku] then return true end
  end
  return false
end

-- The hold that this one takes the place of; nil and false when there is none, nil and a reply when it can't
-- be told.
local function find_replaced(request)
  local own, replaced = false, request.replaced
  for i = 1, #request.lines do own = own or own_hold_of(request.lines[i].sku, request.user_id) end
  if own and (not replaced or replaced.hold_id ~= own) then return nil, { "STALE_LINES" } end
  if not replaced then return nil, false end
  local hold = read_hold(replaced.hold_key, replaced.hold_id)
  if not hold then return nil, { "CORRUPT", replaced.hold_key } end
  if hold.status ~= "ACTIVE" or hold.user_id ~= request.user_id then return nil, false end
  if hold.lines ~= lines_text(replaced.lines) then return nil, { "STALE_LINES" } end
  if not has_any_of(replaced.lines, request.lines) then return nil, false end
  local corrupt = read_stocks(replaced.lines)
    or read_rules(replaced.lines, request.user_id)
    or unheld_item(replaced.lines)
  if corrupt then return nil, { "CORRUPT", corrupt } end
  return hold, false
end

-- A line that counts for its customer's limits, or is to be found by them.
local function note_customer(line, request)
  if not filled[rules_key] and not request.terms.options.replace then return end
  count_customer(line.sku, request.user_id, line.quantity, 1)
  local found_by_customer = request.terms.options.replace or rules_of(line.sku)
  if found_by_customer and request.user_id ~= "" then
    set_own_hold(line.sku, request.user_id, request.hold_id)
  end
end

-- Why a request gets nothing, or nil; then the hold it replaces has ended.
local function refusal(request)
  local corrupt_queue = serve_lines(request.lines)
  if corrupt_queue then return { "CORRUPT", corrupt_queue } end
  local replaced, stale = nil, false
  if request.terms.options.replace then replaced, stale = find_replaced(request) end
  if stale then return stale end
  local freed = replaced and freed_by(request.replaced.lines) or NOTHING_FREED
  if request.terms.options.partial then shrink(request, freed) end
  local refused = rules_reply(request.lines, request.user_id, 1, freed)
    or short_lines(request.lines, freed.stock)
  if refused then return refused end
  if replaced then
    local due = now >= whole(replaced.expires_at)
    local status = due and ENDED_AS.due or ENDED_AS.live
    end_hold(replaced, request.replaced, status, due and "" or ',"reason":"replaced"')
  end
  return nil
end

local function write_changes()
  write_endings()
  write_counts()
  write_own_holds()
  write_waiting()
end
