-- How the lines of a hold change while it lives: shared by change and reduce. Needs lib/alive.lua.
local changed = {}

-- The lines that a request names, each once, with the quantity it is to have. Nil when an argument is bad.
local function next_wanted()
  local count = next_count(LINES_MAX)
  if not count then return nil end
  local wanted, named, good = {}, {}, true
  for i = 1, count do
    local line = next_line()
    good = good and line.item_key and line.quantity and line.quantity <= QUANTITY_MAX
      and not named[line.stock_key]
    if good then named[line.stock_key] = true end
    wanted[i] = line
  end
  return good and wanted or nil
end

local function line_after(line, quantity, before)
  return {
    sku = line.sku,
    store_id = line.store_id,
    quantity = quantity,
    stock_key = line.stock_key,
    item_key = line.item_key,
    stock = false,
    available_delta = before - quantity,
    held_delta = quantity - before,
  }
end

-- The hold's lines as the request leaves them, those that it takes out with 0; behind them what it adds.
local function lines_after(lines, wanted)
  local by_stock, after = {}, {}
  for _, line in ipairs(wanted) do by_stock[line.stock_key] = line end
  for i, line in ipairs(lines) do
    local named = by_stock[line.stock_key]
    by_stock[line.stock_key] = nil
    after[i] = line_after(line, named and named.quantity or line.quantity, line.quantity)
  end
  for _, line in ipairs(wanted) do
    if by_stock[line.stock_key] and line.quantity > 0 then
      after[#after + 1] = line_after(line, line.quantity, 0)
    end
  end
  return after
end

-- Those of them that are there, and whether any is another than before.
local function kept_of(after)
  local kept, differs = {}, false
  for _, line in ipairs(after) do
    if line.quantity > 0 then kept[#kept + 1] = line end
    differs = differs or line.held_delta ~= 0
  end
  return kept, differs
end

local function next_changing()
  local request = next_ending()
  request.if_version = next_arg()
  local wanted = next_wanted()
  request.good = request.good and request.idem_key and wanted and request.if_version
    and (request.if_version == "" or whole(request.if_version))
  if not request.good then return request end
  request.after = lines_after(request.lines, wanted)
  request.kept, request.differs = kept_of(request.after)
  request.good = #request.kept <= LINES_MAX
  return request
end

-- The live hold, or nil and the reply.
local function open_changing(request)
  local hold, refused = open_hold(request)
  if not hold then return nil, refused end
  local corrupt = read_stocks(request.after) or read_rules(request.after, hold.user_id or "")
  if corrupt then return nil, { "CORRUPT", corrupt } end
  local answer = earlier_answer(request.idem_key, request.fingerprint) or not_alive_reply(hold)
  if answer then return nil, answer end
  if request.if_version ~= "" and request.if_version ~= hold.version then
    return nil, { "VERSION_CONFLICT", whole(hold.version) }
  end
  return hold
end

-- A hold without units is none: taking out the last line ends it.
local function change_to_nothing(hold, request)
  local version = whole(hold.version) + 1
  local record = remember(request.idem_key, request.fingerprint,
    " CANCELLED " .. request.event_id .. " " .. version .. " " .. hold.expires_at)
  end_hold(hold, request, "CANCELLED", record)
  return { "CANCELLED", request.event_id, version, hold.expires_at }
end

local function change(hold, request)
  if not request.differs then return { "UNCHANGED", hold.version, hold.expires_at, hold.lines } end
  if #request.kept == 0 then return change_to_nothing(hold, request) end
  for _, line in ipairs(request.after) do
    if line.held_delta ~= 0 then
      change_stock(line.stock, line.available_delta, line.held_delta)
      local active = line.quantity == 0 and -1 or (line.quantity == line.held_delta and 1 or 0)
      count_customer(line.sku, hold.user_id, line.held_delta, active)
      if active == -1 then forget_own_hold(line.sku, hold.user_id, hold.hold_id) end
      if active == 1 and rules_of(line.sku) and hold.user_id ~= "" then
        set_own_hold(line.sku, hold.user_id, hold.hold_id)
      end
    end
  end
  hold.lines, hold.version = lines_text(request.kept), format("%d", whole(hold.version) + 1)
  local record = remember(request.idem_key, request.fingerprint,
    " CHANGED " .. request.event_id .. " " .. hold.version .. " " .. hold.expires_at .. " " .. hold.lines)
  add_event(request.event_id, "HOLD_CHANGED",
    hold_payload(hold, request.request_id, request.after, record))
  changed[#changed + 1] = hold
  return { "CHANGED", request.event_id, hold.version, hold.expires_at, hold.lines }
end

local function write_changes()
  for _, hold in ipairs(changed) do
    call("HSET", hold.hold_key, "lines", hold.lines, "version", hold.version)
  end
end
