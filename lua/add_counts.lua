#!lua
-- Adds what customers had of a sku before they were counted, or what puts a count right, which may be below
-- zero, for a batch of independent requests.
-- KEYS  stream, seq, deadlines, generation, rules, customers, own_holds, stopped, waiting
-- ARGV  requests; for each: deadline (ms on Redis's clock), bases, then for each base: place, sku, user_id,
--       units, active
-- Reply {now_ms, tuples}, one of these for each request:
--   ADDED place                                so far all of them are added
--   REPLAYED place                             they were before
--   LATE, RECOVERING, CORRUPT key, BAD_ARGUMENT  as in create_holds
-- It makes no event: the ledger has these, and gives Redis all counts anew when it has lost some. Each is
-- added once, as the last place is kept beside the counts, where no customer of a sku can be.
-- include lib/batch.lua
-- include lib/signed.lua
-- include lib/events.lua
-- include lib/rules.lua

local BASES_MAX = 500
local PLACE_FIELD = "place"

local last_place, moved = nil, false

local function next_base()
  return {
    place = whole(next_arg()),
    sku = next_arg(),
    user_id = next_arg(),
    units = signed(next_arg()),
    active = signed(next_arg()),
  }
end

-- Nil when an argument is bad.
local function next_bases()
  local bases = next_count(BASES_MAX)
  if not bases then return nil end
  local list, good = {}, bases > 0
  for i = 1, bases do
    local base = next_base()
    good = good and base.place and base.units and base.active and base.sku ~= "" and base.user_id ~= ""
    good = good and (i == 1 or base.place > list[i - 1].place)
    list[i] = base
  end
  return good and list or nil
end

local function read_all(bases)
  if not last_place then last_place = whole(call("HGET", customers_key, PLACE_FIELD) or "0") end
  if not last_place then return false end
  for _, base in ipairs(bases) do
    if not read_count(base.sku, base.user_id) then return false end
  end
  return true
end

local function decide()
  local deadline, bases = whole(next_arg()), next_bases()
  if not deadline or not bases then return { "BAD_ARGUMENT" } end
  if now > deadline then return { "LATE" } end
  if corrupt_key then return { "CORRUPT", corrupt_key } end
  if not read_all(bases) then return { "CORRUPT", customers_key } end

  local before = last_place
  for _, base in ipairs(bases) do
    if base.place > last_place then
      local count = count_of(base.sku, base.user_id)
      count.units, count.active = count.units + base.units, count.active + base.active
      changed_counts[count.field] = count
      last_place, moved = base.place, true
    end
  end
  return { last_place > before and "ADDED" or "REPLAYED", last_place }
end

local replies = decide_all(decide)
write_counts()
if moved then call("HSET", customers_key, PLACE_FIELD, format("%d", last_place)) end
return replies
