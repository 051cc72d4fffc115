#!lua
-- Changes the quantities of live holds, for a batch of independent requests.
-- KEYS  stream, seq, deadlines, generation, rules, customers, own_holds, stopped, waiting; for each
--       request: hold, idem, then for each line: stock, item, then for each line that changes: stock, item
-- ARGV  requests; for each: deadline (ms on Redis's clock), event_id, request_id, hold_id,
--       fingerprint, lines (that it has), then for each line: sku, store_id, quantity; if_version (may be
--       empty), lines (that change, each once), then for each line: sku, store_id, quantity (0 takes it out)
-- Reply {now_ms, tuples}, one of these for each request:
--   CHANGED event_id version expires_at lines  it has these; the event is in the stream
--   CANCELLED event_id version expires_at      it has none left, and so has ended
--   UNCHANGED version expires_at lines         it has these already, nothing done
--   REPLAYED CHANGED|CANCELLED event_id version expires_at (line)  this key did it before
--   IDEMPOTENCY_KEY_REUSED                     the key belongs to another request
--   HOLD_NOT_FOUND
--   HOLD_ALREADY_CONFIRMED
--   HOLD_CANCELLED
--   HOLD_EXPIRED expires_at                    from the deadline on, swept or not
--   VERSION_CONFLICT version                   it is not at if_version
--   UNKNOWN_SKU sku                            nobody has stocked what is added
--   SALE_PAUSED sku
--   SALE_NOT_OPEN sku opens_at
--   SALE_CLOSED sku closes_at
--   LIMIT_EXCEEDED sku rule limit left
--   CUSTOMER_REQUIRED sku                      it has a limit per customer, and nobody is named
--   SOLD_OUT (sku store_id requested available held) for each short line: requested is what comes on top,
--                                              held is what other holds have
--   ALL_HELD (sku store_id requested available held)  likewise, when other holds have some of each of them
--   STALE_LINES                                these are not the lines that it has, nothing done
--   LATE, RECOVERING, CORRUPT key, BAD_ARGUMENT  as in create_holds
-- The deadline stays as it is. What is given back returns in the same step. Rules are looked at for what is
-- taken, never for what is given back.
-- include lib/batch.lua
-- include lib/stock.lua
-- include lib/events.lua
-- include lib/lines.lua
-- include lib/idempotency.lua
-- include lib/rules.lua
-- include lib/own_holds.lua
-- include lib/closed.lua
-- include lib/taking.lua
-- include lib/hold_event.lua
-- include lib/serving.lua
-- include lib/ending.lua
-- include lib/alive.lua
-- include lib/changing.lua

-- Why the rules do not let a hold have as many of a line, or nil.
local function more_limit_reply(hold, line, rules)
  local sku, more = line.sku, line.held_delta
  local before = line.quantity - more
  local left = limit_left(rules, "max_per_order", before)
  if left and more > left then
    return { "LIMIT_EXCEEDED", sku, "max_per_order", rules.max_per_order, left }
  end
  return limit_reply(sku, rules, hold.user_id, more, before == 0 and 1 or 0, NOTHING_FREED)
end

-- Every line that is short. What other holds have may come back.
local function short_reply(more)
  local reply = nil
  for _, line in ipairs(more) do
    local stock, wanted = line.stock, line.held_delta
    local of_others = stock.held - (line.quantity - wanted)
    if wanted > free_units(stock) then
      reply = reply or { "ALL_HELD" }
      if of_others == 0 then reply[1] = "SOLD_OUT" end
      for _, item in ipairs({ line.sku, line.store_id, wanted, free_units(stock), of_others }) do
        reply[#reply + 1] = item
      end
    end
  end
  return reply
end

-- Why a hold may not have more of what it asks more of, or nil. All its lines are of one store, so each line
-- is all it has of a sku.
local function more_reply(hold, after)
  local more = {}
  for _, line in ipairs(after) do
    if line.held_delta > 0 then more[#more + 1] = line end
  end
  for _, line in ipairs(more) do
    if not is_known(line.stock) then return { "UNKNOWN_SKU", line.sku } end
  end
  for _, line in ipairs(more) do
    local refused = closed_reply(line.sku, rules_of(line.sku))
    if refused then return refused end
  end
  for _, line in ipairs(more) do
    local refused = rules_of(line.sku) and more_limit_reply(hold, line, rules_of(line.sku))
    if refused then return refused end
  end
  return short_reply(more)
end

local function decide()
  local request = next_changing()
  local hold, refused = open_changing(request)
  if not hold then return refused end
  local corrupt = serve_lines(request.after)
  if corrupt then return { "CORRUPT", corrupt } end
  return more_reply(hold, request.after) or change(hold, request)
end

local replies = decide_all(decide)
serve_changed()
write_events()
write_stocks()
write_changes()
write_endings()
write_counts()
write_own_holds()
write_waiting()
write_records()
return replies
