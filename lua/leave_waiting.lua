#!lua flags=allow-oom
-- Takes customers out of a queue, for a batch of independent requests.
-- KEYS  stream, seq, deadlines, generation, rules, customers, own_holds, stopped, waiting; for each
--       request: waiter, idem
-- ARGV  requests; for each: deadline (ms on Redis's clock), event_id, request_id, waiter_id, fingerprint
-- Reply {now_ms, tuples}, one of these for each request:
--   LEFT event_id                              out of the queue; the event is in the stream
--   REPLAYED status event_id                   this key did it before; status is LEFT, or what became of the
--                                              offer when it was cancelled under this key
--   IDEMPOTENCY_KEY_REUSED                     the key belongs to another request
--   ENDED status                               it had LEFT before, or was REFUSED
--   OFFERED hold_id                            has been offered this hold: to be cancelled, nothing done
--   WAITER_NOT_FOUND                           no such waiter, or it has been forgotten
--   LATE, RECOVERING, CORRUPT key, BAD_ARGUMENT  as in create_holds
-- include lib/batch.lua
-- include lib/stock.lua
-- include lib/events.lua
-- include lib/lines.lua
-- include lib/idempotency.lua
-- include lib/rules.lua
-- include lib/own_holds.lua
-- include lib/hold_event.lua
-- include lib/waiting.lua

local function next_request()
  return {
    waiter_key = next_key(),
    idem_key = next_key(),
    deadline = whole(next_arg()),
    event_id = next_arg(),
    request_id = next_arg(),
    waiter_id = next_arg(),
    fingerprint = next_arg(),
  }
end

-- Reads whom the request is about; returns the waiter (false when there is none) and its queue and stock, or
-- nil and the name of a corrupt key.
local function read_all(request)
  if corrupt_key then return nil, corrupt_key end
  local waiter = read_waiter(request.waiter_id)
  if waiter == nil then return nil, request.waiter_key end
  if not waiter then return false end
  local queue, corrupt_queue = read_queue(waiter.stock)
  if not queue then return nil, corrupt_queue end
  local stock, corrupt_stock = read_stock("stock:" .. waiter.stock, "item:" .. waiter.stock)
  if not stock then return nil, corrupt_stock end
  return waiter, queue, stock
end

local function leave(request, waiter, queue, stock)
  local record = remember(request.idem_key, request.fingerprint, " LEFT " .. request.event_id)
  leave_queue(queue, waiter, { status = "LEFT" })
  add_event(request.event_id, "WAITER_LEFT", waiter_payload(waiter, request.request_id, record))
  serve(stock) -- it may have wanted more than there is
  return { "LEFT", request.event_id }
end

local function decide()
  local request = next_request()
  if not (request.fingerprint and request.deadline) then return { "BAD_ARGUMENT" } end
  if now > request.deadline then return { "LATE" } end

  local waiter, queue, stock = read_all(request)
  if waiter == nil then return { "CORRUPT", queue } end

  local answer = earlier_answer(request.idem_key, request.fingerprint)
  if answer then return answer end

  if not waiter then return { "WAITER_NOT_FOUND" } end
  if waiter.status == "OFFERED" then return { "OFFERED", "H-" .. id_of(waiter) } end
  if waiter.status ~= "WAITING" then return { "ENDED", waiter.status } end
  -- One of an old copy of Redis, that has not waited any more since.
  if not is_in(queue, waiter) then return { "WAITER_NOT_FOUND" } end
  return leave(request, waiter, queue, stock)
end

local replies = decide_all(decide)
write_events()
write_stocks()
write_counts()
write_own_holds()
write_waiting()
write_records()
return replies
