-- A whole number as whole() reads it, or one below zero, or nil.
local function signed(text)
  if type(text) ~= "string" or string.sub(text, 1, 1) ~= "-" then return whole(text) end
  local number = whole(string.sub(text, 2))
  return number and number > 0 and -number or nil
end
