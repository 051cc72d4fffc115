-- How a purchase picks the store it sells from, among those that have enough.
local ranks_by_key, turns = {}, {}

-- Each registered store's latency rank; nil when the registry is corrupt. One that is not in it has rank 0.
local function read_ranks(stores_key)
  local ranks = ranks_by_key[stores_key]
  if ranks then return ranks end
  local fields = read("HGETALL", stores_key)
  if not fields then return nil end
  ranks = {}
  for i = 1, #fields, 2 do
    ranks[fields[i]] = whole(fields[i + 1])
    if not ranks[fields[i]] then return nil end
  end
  ranks_by_key[stores_key] = ranks
  return ranks
end

-- How many purchases of a sku were dealt out in turn: the count, and how many of them this batch added. Nil
-- when it is corrupt.
local function read_turn(turns_key, sku)
  local turn = turns[sku]
  if turn then return turn end
  local text = read("HGET", turns_key, sku)
  local count = text ~= nil and whole(text or "0")
  if not count then return nil end
  turn = { turns_key = turns_key, count = count, added = 0 }
  turns[sku] = turn
  return turn
end

local function has_more(offer, other)
  if offer.stock.available == other.stock.available then return offer.rank < other.rank end
  return offer.stock.available > other.stock.available
end

local function is_nearer(offer, other)
  if offer.rank == other.rank then return offer.stock.available > other.stock.available end
  return offer.rank < other.rank
end

-- Of two that are equal the one that was named first.
local function best_of(offers, is_better)
  local best = offers[1]
  for i = 2, #offers do
    if is_better(offers[i], best) then best = offers[i] end
  end
  return best
end

local function next_in_turn(offers, turn)
  local offer = offers[turn.count % #offers + 1]
  turn.count, turn.added = turn.count + 1, turn.added + 1
  return offer
end

local POLICIES = {
  ["highest-available"] = function(offers) return best_of(offers, has_more) end,
  ["lowest-latency"] = function(offers) return best_of(offers, is_nearer) end,
  ["round-robin"] = next_in_turn,
}

local function is_policy(text)
  return text and POLICIES[text] ~= nil
end

-- The offer to sell by, of a purchase that some store has enough for.
local function pick_offer(purchase)
  local ranks, enough = read_ranks(purchase.stores_key), {}
  for _, offer in ipairs(purchase.offers) do
    offer.rank = ranks[offer.store_id] or 0
    if free_units(offer.stock) >= purchase.quantity then enough[#enough + 1] = offer end
  end
  return POLICIES[purchase.policy](enough, read_turn(purchase.turns_key, purchase.sku))
end

local function write_turns()
  for sku, turn in pairs(turns) do
    if turn.added > 0 then call("HINCRBY", turn.turns_key, sku, format("%d", turn.added)) end
  end
end
