-- What only a live hold lets do with it, from its creation up to its deadline. Needs lib/ending.lua.

-- Why a hold is not alive, or nil.
local function not_alive_reply(hold)
  if not hold.status then return { "HOLD_NOT_FOUND" } end
  if hold.status == "CONFIRMED" then return { "HOLD_ALREADY_CONFIRMED" } end
  if hold.status == "CANCELLED" then return { "HOLD_CANCELLED" } end
  if hold.status == "EXPIRED" or now >= whole(hold.expires_at) then
    return { "HOLD_EXPIRED", whole(hold.expires_at) }
  end
  return nil
end
