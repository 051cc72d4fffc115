#!lua flags=allow-oom
-- Gives back who waits for which stocks. The ledger has all that was decided, so the first chunk takes the
-- place of whatever queues Redis has, and of all who wait in them.
-- KEYS  admission, waiting; for each waiter: waiter, queue, places
-- ARGV  token, part (FIRST, or NEXT), prefixes (JSON; of queues, places and waiters), waiters (a JSON list;
--       of each, all of them texts: waiter_id, stock, sku, store_id, user_id, quantity, offer_ms, joined_at
--       and joined_seq)
-- Reply {RESTORED, waiters} | {LOST}, what was written
-- include lib/batch.lua

local admission_key, waiting_key = next_key(), next_key()
if read("HGET", admission_key, "token") ~= next_arg() then return { "LOST" } end

local part, prefixes = next_arg(), cjson.decode(next_arg())
if part == "FIRST" then
  local queue_prefix, places_prefix, waiter_prefix = unpack(prefixes)
  for _, stock in ipairs(read("HKEYS", waiting_key) or {}) do
    for _, waiter_id in ipairs(read("ZRANGE", queue_prefix .. stock, 0, -1) or {}) do
      call("UNLINK", waiter_prefix .. waiter_id)
    end
    call("UNLINK", queue_prefix .. stock, places_prefix .. stock)
  end
  call("DEL", waiting_key)
end

local function write(waiter, waiter_key, queue_key, places_key)
  local waiter_id, stock, sku, store_id, user_id, quantity, offer_ms, joined_at, joined_seq = unpack(waiter)
  call("DEL", waiter_key)
  call("HSET", waiter_key, "status", "WAITING", "stock", stock, "sku", sku, "store_id", store_id,
    "quantity", quantity, "user_id", user_id, "offer_ms", offer_ms, "joined_at", joined_at,
    "joined_seq", joined_seq)
  -- One that holds something else has nobody in it.
  if not read("ZCARD", queue_key) then call("DEL", queue_key) end
  if not read("HLEN", places_key) then call("DEL", places_key) end
  call("ZADD", queue_key, joined_seq, waiter_id)
  call("HSET", places_key, user_id, waiter_id)
  call("HSET", waiting_key, stock, format("%d", call("ZCARD", queue_key)))
end

local waiters = cjson.decode(next_arg())
for _, waiter in ipairs(waiters) do write(waiter, next_key(), next_key(), next_key()) end
return { "RESTORED", #waiters }
