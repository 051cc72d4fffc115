#!lua flags=no-writes
-- Reads what the stores have of a sku, for a batch of independent requests.
-- KEYS  for each request: stores, then for each store: stock, item
-- ARGV  requests; for each: deadline (ignored: reading late does no harm),
--       stores_seen (registered when the caller looked), stores, then for each store: store_id
-- Reply {now_ms, tuples}, one of these for each request:
--   STOCKS (store_id available held version changed_at) for each store that knows the sku
--                                              (changed_at is "" when only a SET has made it)
--   STALE_STORES                               stores have come since the caller looked
--   CORRUPT key                                a key holds something else than it should
--   BAD_ARGUMENT
-- include lib/batch.lua
-- include lib/stores.lua

local counts_by_stock = {}

-- {available, held, version, changed_at, known}, or nil and the name of the key that holds something else.
local function read_counts(stock_key, item_key)
  local counts = counts_by_stock[stock_key]
  if counts then return counts end
  local text = read("GET", stock_key)
  local available = whole(text or "0")
  if text == nil or not available then return nil, stock_key end
  local item = read("HMGET", item_key, "held", "version", "changed_at")
  local held = item and whole(item[1] or "0")
  local version = item and whole(item[2] or "0")
  local changed_at = item and (item[3] or "")
  if not held or not version or not (changed_at == "" or whole(changed_at)) then return nil, item_key end
  counts = {
    available = available,
    held = held,
    version = version,
    changed_at = changed_at,
    known = text or held > 0 or version > 0,
  }
  counts_by_stock[stock_key] = counts
  return counts
end

local function next_stores()
  local count = next_count(STORES_MAX)
  if not count then return nil end
  local stores, good = {}, true
  for i = 1, count do
    stores[i] = { store_id = next_arg(), stock_key = next_key(), item_key = next_key() }
    good = good and stores[i].store_id and stores[i].item_key
  end
  return good and stores or nil
end

local function decide()
  next_arg()
  local stores_key, stores_seen = next_key(), whole(next_arg())
  local stores = next_stores()
  if not (stores_key and stores_seen and stores) then return { "BAD_ARGUMENT" } end
  local registered = count_stores(stores_key)
  if not registered then return { "CORRUPT", stores_key } end
  if registered ~= stores_seen then return { "STALE_STORES" } end

  local reply = { "STOCKS" }
  for _, store in ipairs(stores) do
    local counts, corrupt = read_counts(store.stock_key, store.item_key)
    if not counts then return { "CORRUPT", corrupt } end
    if counts.known then
      for _, item in ipairs({ store.store_id, counts.available, counts.held, counts.version,
        counts.changed_at }) do
        reply[#reply + 1] = item
      end
    end
  end
  return reply
end

return decide_all(decide)
