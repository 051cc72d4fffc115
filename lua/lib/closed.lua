-- What who asks for units is told while a sale is closed. Needs lib/rules.lua.

-- Why nobody may take a sku now, or nil.
local function closed_reply(sku, rules)
  local closed = closed_by(sku)
  if not closed then return nil end
  if closed == "opens_at" then return { "SALE_NOT_OPEN", sku, rules.opens_at } end
  if closed == "closes_at" then return { "SALE_CLOSED", sku, rules.closes_at } end
  return { "SALE_PAUSED", sku }
end
