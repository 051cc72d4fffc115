-- The registry of stores: a hash of store_id and latency rank. It has all stores but the default one, which
-- may be in it too, and only ever grows.
local STORES_MAX = 1000
local store_counts, new_stores, new_count = {}, {}, 0

-- How many stores are registered, or nil when the key is no hash.
local function count_stores(stores_key)
  local count = store_counts[stores_key]
  if not count then
    count = read("HLEN", stores_key)
    store_counts[stores_key] = count
  end
  return count
end

-- Whether it is one store too many: whoever asks for all of a sku's stores reads two keys for each.
local function is_store_too_many(stores_key, store_id)
  local others = count_stores(stores_key) + new_count + 1 -- and the default one
  return others >= STORES_MAX and not new_stores[store_id]
    and call("HEXISTS", stores_key, store_id) == 0
end

-- A store whose first stock comes in this batch is known from then on.
local function register_store(stores_key, store_id)
  if not new_stores[store_id] then new_count = new_count + 1 end
  new_stores[store_id] = stores_key
end

local function write_stores()
  for store_id, stores_key in pairs(new_stores) do call("HSETNX", stores_key, store_id, "0") end
end
