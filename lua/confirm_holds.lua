#!lua flags=allow-oom
-- Sells the units of holds, for a batch of independent requests.
-- KEYS  stream, seq, deadlines, generation, rules, customers, own_holds, stopped, waiting; for each
--       request: hold, idem (only with a fingerprint), then for each line: stock, item
-- ARGV  requests; for each: deadline (ms on Redis's clock), event_id, request_id, hold_id,
--       fingerprint (may be empty), lines, then for each line: sku, store_id, quantity; order_id,
--       payment_ref (may be empty), lines (to sell; 0: all there are), then for each line: sku, quantity
-- Reply {now_ms, tuples}, one of these for each request:
--   CONFIRMED order_id ended_at ...            sold; the event is in the stream. When a part was sold, or
--                                              late: LATE or IN_TIME, and of a part the lines that were sold
--   REPLAYED order_id ended_at ...             it was sold before, for the same payment_ref
--   IDEMPOTENCY_KEY_REUSED                     the key belongs to another request
--   HOLD_NOT_FOUND
--   HOLD_ALREADY_CONFIRMED                     for another payment_ref
--   HOLD_CANCELLED
--   HOLD_EXPIRED expires_at                    from the deadline on, swept or not
--   NOT_HELD sku held                          it has fewer units of that sku than are to be sold
--   STALE_LINES                                these are not the hold's lines, nothing done
--   LATE, RECOVERING, CORRUPT key, BAD_ARGUMENT  as in create_holds
-- include lib/batch.lua
-- include lib/stock.lua
-- include lib/events.lua
-- include lib/lines.lua
-- include lib/idempotency.lua
-- include lib/rules.lua
-- include lib/own_holds.lua
-- include lib/hold_event.lua
-- include lib/serving.lua
-- include lib/ending.lua
-- include lib/alive.lua
-- include lib/selling.lua

local function decide()
  local request = next_ending()
  request.order_id, request.payment_ref = next_arg(), next_arg()
  request.parts = next_parts()
  request.good = request.good and request.parts
  local hold, refused = open_hold(request)
  if not hold then return refused end

  local answer = earlier_answer(request.idem_key, request.fingerprint)
  if answer then return answer end

  local is_paid = hold.status == "CONFIRMED" and (hold.payment_ref or "") == request.payment_ref
  if is_paid then return sold_before(hold) end
  return not_alive_reply(hold) or choose_sold(request) or sell_hold(hold, request)
end

local replies = decide_all(decide)
serve_changed()
write_events()
write_stocks()
write_endings()
write_sales()
write_counts()
write_own_holds()
write_waiting()
write_records()
return replies
