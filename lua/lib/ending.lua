-- How a hold ends, once: shared by confirm, cancel and expire.
local ENDED_KEPT_MS = 24 * 60 * 60 * 1000
local STATUSES = { ACTIVE = true, CONFIRMED = true, CANCELLED = true, EXPIRED = true }

local holds, ended = {}, {}

-- The hold as this batch leaves it: a table (status is nil when there is none), or nil when it is corrupt.
-- Numbers stay the texts they are in the hash; whole() them to reckon.
local function read_hold(hold_key, hold_id)
  local hold = holds[hold_key]
  if hold then return hold end
  local values = read("HMGET", hold_key, "status", "lines", "user_id", "created_at", "expires_at", "version",
    "order_id", "payment_ref", "ended_at", "ended_by", "extensions")
  if not values then return nil end
  hold = {
    hold_key = hold_key,
    hold_id = hold_id,
    status = values[1] or nil,
    lines = values[2] or nil,
    user_id = values[3] or nil,
    created_at = values[4] or nil,
    expires_at = values[5] or nil,
    version = values[6] or nil,
    order_id = values[7] or nil,
    payment_ref = values[8] or nil,
    ended_at = values[9] or nil,
    ended_by = values[10] or nil,
    extensions = values[11] or nil,
  }
  if hold.status then
    local whole_hold = STATUSES[hold.status] and whole(hold.created_at) and whole(hold.expires_at)
      and whole(hold.version) and hold.user_id and whole(hold.extensions or "0")
    if not whole_hold then return nil end
  end
  holds[hold_key] = hold
  return hold
end

-- The item of a stock that has fewer units held than an active hold has of it; or nil.
local function unheld_item(lines)
  for i = 1, #lines do
    local line = lines[i]
    if line.stock.held < line.quantity then return line.item_key end
  end
  return nil
end

-- The first three steps of deciding an ending: arguments, deadline, types. Returns the hold, or nil and
-- the reply. STALE_LINES: the caller named other lines than the hold has, so its keys are not the hold's.
-- The caller reads them before; it names none only if there is no hold, or none that can be read.
local function open_hold(request)
  if not request.good then return nil, { "BAD_ARGUMENT" } end
  if now > request.deadline then return nil, { "LATE" } end
  local hold = read_hold(request.hold_key, request.hold_id)
  local corrupt = corrupt_key
    or (not hold and request.hold_key)
    or read_stocks(request.lines)
    or read_rules(request.lines, hold.user_id or "")
  if corrupt then return nil, { "CORRUPT", corrupt } end
  if hold.status == "ACTIVE" then
    if #request.lines == 0 then return nil, { "CORRUPT", request.hold_key } end
    if hold.lines ~= lines_text(request.lines) then return nil, { "STALE_LINES" } end
    local unheld = unheld_item(request.lines)
    if unheld then return nil, { "CORRUPT", unheld } end
  end
  return hold
end

-- Says that a hold has ended, whose units were moved before.
local function note_ending(hold, request, status, lines, more)
  hold.status, hold.version = status, format("%d", whole(hold.version) + 1)
  hold.ended_at, hold.ended_by = now_text, request.event_id
  add_event(request.event_id, "HOLD_" .. status,
    hold_payload(hold, request.request_id, lines, ',"ended_at":' .. now_text .. more))
  ended[#ended + 1] = hold
end

-- Ends an active hold: its units leave `held`, and go back to `available` unless they are sold.
local function end_hold(hold, request, status, more)
  for _, line in ipairs(request.lines) do
    local given_back = status == "CONFIRMED" and 0 or line.quantity
    change_stock(line.stock, given_back, -line.quantity)
    count_customer(line.sku, hold.user_id, -given_back, -1)
    forget_own_hold(line.sku, hold.user_id, hold.hold_id)
  end
  note_ending(hold, request, status, request.lines, more)
end

local function write_endings()
  local kept_until, hold_ids = format("%d", now + ENDED_KEPT_MS), {}
  for i = 1, #ended do
    local hold = ended[i]
    call("HSET", hold.hold_key, "status", hold.status, "ended_at", hold.ended_at,
      "ended_by", hold.ended_by, "version", hold.version)
    if hold.payment_ref then
      call("HSET", hold.hold_key, "order_id", hold.order_id, "payment_ref", hold.payment_ref)
    elseif hold.order_id then
      call("HSET", hold.hold_key, "order_id", hold.order_id)
    end
    call("PEXPIREAT", hold.hold_key, kept_until)
    hold_ids[i] = hold.hold_id
  end
  call_with_all("ZREM", deadlines_key, hold_ids)
end

-- A request that ends one hold for a caller: its own keys and the arguments all of them share. The
-- idempotency key is optional here, since an ending is idempotent by nature: no fingerprint, no key.
local function next_ending()
  local request = {
    hold_key = next_key(),
    deadline = whole(next_arg()),
    event_id = next_arg(),
    request_id = next_arg(),
    hold_id = next_arg(),
    fingerprint = next_arg(),
    idem_key = nil,
    lines = nil,
    good = false,
  }
  if request.fingerprint ~= "" then request.idem_key = next_key() end
  request.lines = next_lines()
  request.good = request.deadline and request.lines
  return request
end
