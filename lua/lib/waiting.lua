-- Who waits for units of a stock, first come, first served: what comes back is offered to them before anybody
-- else can take it. An offer is a hold like any other. Needs lib/own_holds.lua.
--
-- The names of a stock's queue, of a waiter and of the hold it is offered are made here and do not come in
-- KEYS: who is next is known only once the queue is read. They are in the partition of the stock they are
-- about, so with more than one they would be in the same slot.
local QUEUE, PLACES, WAITER = "inventory.waiting:", "inventory.waiting_users:", "inventory.waiter:"
local HOLD = "hold:"
local WAITERS_MAX = 100000
-- A script serves so many at most, so that Redis answers others meanwhile; and when fewer units have come
-- than the first one wants, it looks at so many whether they suffice for one of them.
local OFFERS_MAX, LOOKED_AT_MAX = 50, 10
local KEPT_MS = 24 * 60 * 60 * 1000

local queues, waiters, changed_queues, offered = {}, {}, {}, {}
local served = 0

-- "<sku>", or "<sku>@<store_id>", as it stands behind each prefix.
local function name_of(stock)
  return string.sub(stock.stock_key, #"stock:" + 1)
end

-- {count, ids (the first of them), head, ...}, or nil and the name of a corrupt key.
local function read_queue(name)
  local queue = queues[name]
  if queue then return queue end
  queue = {
    name = name,
    queue_key = QUEUE .. name,
    places_key = PLACES .. name,
    count = read("ZCARD", QUEUE .. name),
    ids = {},
    head = 1,
    changes = {},
  }
  if not queue.count then return nil, queue.queue_key end
  if not read("HLEN", queue.places_key) then return nil, queue.places_key end
  if queue.count > 0 then
    queue.ids = call("ZRANGE", queue.queue_key, "0", format("%d", OFFERS_MAX + LOOKED_AT_MAX - 1))
  end
  queue.is_whole = #queue.ids == queue.count
  queues[name] = queue
  return queue
end

-- A waiter as this batch leaves it; false when there is none, nil when it is corrupt.
local function read_waiter(waiter_id)
  local waiter = waiters[waiter_id]
  if waiter ~= nil then return waiter end
  local values = read("HMGET", WAITER .. waiter_id, "status", "stock", "sku", "store_id", "quantity",
    "user_id", "offer_ms", "joined_at", "joined_seq")
  if not values then return nil end
  waiter = false
  if values[1] then
    for i = 1, 9 do if not values[i] then return nil end end
    waiter = {
      waiter_id = waiter_id,
      status = values[1],
      stock = values[2],
      sku = values[3],
      store_id = values[4],
      quantity = whole(values[5]),
      user_id = values[6],
      offer_ms = whole(values[7]),
      joined_at = values[8],
      joined_seq = values[9],
    }
    if not (waiter.quantity and waiter.offer_ms and whole(waiter.joined_at) and whole(waiter.joined_seq)) then
      return nil
    end
  end
  waiters[waiter_id] = waiter
  return waiter
end

-- A customer's waiter in a queue, by id, or nil. Those who joined or left in this batch are looked at first.
local function place_of(queue, user_id)
  for i = #queue.changes, 1, -1 do
    local change = queue.changes[i]
    if change.waiter.user_id == user_id then return change.joins and change.waiter.waiter_id or nil end
  end
  return call("HGET", queue.places_key, user_id) or nil
end

-- Whether somebody who is said to wait has a place there.
local function is_in(queue, waiter)
  for i = #queue.changes, 1, -1 do
    if queue.changes[i].waiter == waiter then return queue.changes[i].joins end
  end
  return call("ZSCORE", queue.queue_key, waiter.waiter_id) and true
end

local function change_queue(queue, change)
  queue.changes[#queue.changes + 1] = change
  changed_queues[queue.name] = queue
end

local function join_queue(queue, waiter)
  waiters[waiter.waiter_id] = waiter
  if queue.is_whole then queue.ids[#queue.ids + 1] = waiter.waiter_id end
  queue.count = queue.count + 1
  filled[waiting_key] = true
  change_queue(queue, { waiter = waiter, joins = true })
end

-- `end_of` is {status}: what became of the waiter.
local function leave_queue(queue, waiter, end_of)
  waiter.status = end_of.status
  queue.count = queue.count - 1
  change_queue(queue, { waiter = waiter, status = end_of.status })
end

-- A waiter as a member of a payload, without braces.
local function waiter_json(waiter)
  return '"waiter_id":"' .. waiter.waiter_id .. '","joined_at":' .. waiter.joined_at
    .. ',"joined_seq":' .. waiter.joined_seq .. format(',"offer_ms":%d', waiter.offer_ms)
end

-- The payload of a waiter's event, complete by itself. `more` is further members, each with a leading comma.
local function waiter_payload(waiter, request_id, more)
  return '{"event_version":1,"occurred_at":' .. now_text
    .. ',"request_id":' .. cjson.encode(request_id)
    .. ',"status":"' .. waiter.status
    .. '","sku":"' .. waiter.sku
    .. '","store_id":"' .. waiter.store_id
    .. '","quantity":' .. format("%d", waiter.quantity)
    .. ',"user_id":' .. cjson.encode(waiter.user_id)
    .. "," .. waiter_json(waiter) .. more .. "}"
end

-- Scripts have no ids of their own: the hold, and the event that ends the wait, have the waiter's.
local function id_of(waiter)
  return string.sub(waiter.waiter_id, 3)
end

local function offer(queue, stock, waiter)
  local rules, ms = rules_of(waiter.sku), waiter.offer_ms
  if rules and rules.max_hold_seconds then ms = math.min(ms, rules.max_hold_seconds * 1000) end
  change_stock(stock, -waiter.quantity, waiter.quantity)
  count_customer(waiter.sku, waiter.user_id, waiter.quantity, 1)
  set_own_hold(waiter.sku, waiter.user_id, "H-" .. id_of(waiter))
  local hold = {
    hold_id = "H-" .. id_of(waiter),
    status = "ACTIVE",
    user_id = waiter.user_id,
    created_at = now_text,
    expires_at = format("%d", now + ms),
    version = "1",
    lines = {
      { sku = waiter.sku, store_id = waiter.store_id, quantity = waiter.quantity, stock = stock },
    },
  }
  leave_queue(queue, waiter, { status = "OFFERED" })
  add_event(id_of(waiter), "HOLD_CREATED",
    hold_payload(hold, waiter.waiter_id, hold.lines, ',"waiter":{' .. waiter_json(waiter) .. "}"))
  offered[#offered + 1] = hold
end

-- Out of the queue, since a rule of the sale lets this customer have no more.
local function refuse(queue, waiter, limit)
  leave_queue(queue, waiter, { status = "REFUSED" })
  add_event(id_of(waiter), "WAITER_LEFT",
    waiter_payload(waiter, waiter.waiter_id, ',"reason":"' .. limit .. '"'))
end

-- The first in the queue for whom so many units suffice, of those that are looked at; or false. Nil and the
-- name of a key when that is corrupt. The third value says that there may be one further back.
local function next_waiter(queue, units)
  local looked_at, i = 0, queue.head
  while looked_at < LOOKED_AT_MAX do
    local waiter_id = queue.ids[i]
    if not waiter_id then return false, nil, not queue.is_whole end
    local waiter = read_waiter(waiter_id)
    if not waiter then return nil, WAITER .. waiter_id end
    if waiter.status == "WAITING" then
      if waiter.quantity <= units then return waiter end
      looked_at = looked_at + 1
    elseif i == queue.head then
      queue.head = i + 1
    end
    i = i + 1
  end
  return false
end

-- Offers what is available of a stock to those who wait for it, in their order. What is left is free for
-- anybody, unless `kept`: then it is for those whom this script has not come to. Nil, or the name of a
-- corrupt key, behind which nobody is served.
local function serve(stock)
  if not filled[waiting_key] then return nil end
  local queue, corrupt = read_queue(name_of(stock))
  if not queue then return corrupt end
  stock.kept = false
  while queue.count > 0 and stock.available > 0 do
    local waiter, corrupt_waiter, is_unsure = next_waiter(queue, stock.available)
    if corrupt_waiter then return corrupt_waiter end
    stock.kept = is_unsure or (waiter and served == OFFERS_MAX) or false
    if not waiter or stock.kept then return nil end
    local sku, user_id = waiter.sku, waiter.user_id
    if not read_sku_rules(sku) then return rules_key end
    if closed_by(sku) then return nil end
    local rules = rules_of(sku)
    if rules and rules.counts and not read_count(sku, user_id) then return customers_key end
    local hold_key = HOLD .. "H-" .. id_of(waiter)
    if call("EXISTS", hold_key) == 1 then return hold_key end
    local count = count_of(sku, user_id) or NO_COUNT
    local limit = rules and passed_limit(rules, count, waiter.quantity, 1)
    if limit then refuse(queue, waiter, limit) else offer(queue, stock, waiter) end
    served = served + 1
  end
  return nil
end

-- Before units of these lines are taken. Nil, or the name of a corrupt key.
local function serve_lines(lines)
  for i = 1, #lines do
    local corrupt = serve(lines[i].stock)
    if corrupt then return corrupt end
  end
  return nil
end

-- After units were given back. Should a queue be corrupt they are given back all the same, and whoever wants
-- to take some is told.
local function serve_changed()
  for i = 1, #touched do serve(touched[i]) end
end

local function write_change(queue, change)
  local waiter = change.waiter
  local waiter_key = WAITER .. waiter.waiter_id
  if change.joins then
    call("ZADD", queue.queue_key, waiter.joined_seq, waiter.waiter_id)
    call("HSET", queue.places_key, waiter.user_id, waiter.waiter_id)
    call("HSET", waiter_key, "status", "WAITING", "stock", waiter.stock, "sku", waiter.sku,
      "store_id", waiter.store_id, "quantity", format("%d", waiter.quantity), "user_id", waiter.user_id,
      "offer_ms", format("%d", waiter.offer_ms), "joined_at", waiter.joined_at,
      "joined_seq", waiter.joined_seq)
    return
  end
  call("ZREM", queue.queue_key, waiter.waiter_id)
  call("HDEL", queue.places_key, waiter.user_id)
  call("HSET", waiter_key, "status", change.status, "ended_at", now_text)
  call("PEXPIREAT", waiter_key, format("%d", now + waiter.offer_ms + KEPT_MS))
end

-- The offered holds, the queues, and how many wait for each stock.
local function write_waiting()
  for name, queue in pairs(changed_queues) do
    for _, change in ipairs(queue.changes) do write_change(queue, change) end
    if queue.count > 0 then
      call("HSET", waiting_key, name, format("%d", queue.count))
    else
      call("HDEL", waiting_key, name)
    end
  end
  for _, hold in ipairs(offered) do
    call("HSET", HOLD .. hold.hold_id, "status", hold.status, "lines", lines_text(hold.lines),
      "user_id", hold.user_id, "created_at", hold.created_at, "expires_at", hold.expires_at,
      "version", hold.version)
    call("ZADD", deadlines_key, hold.expires_at, hold.hold_id)
  end
end
