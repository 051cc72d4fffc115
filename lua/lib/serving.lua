-- Offers what comes back to those who wait, for scripts that seldom meet any: where nobody waits, none of
-- lib/waiting.lua is made, since a call pays for each function it makes. Needs lib/own_holds.lua.
local function make_waiting()
  -- include lib/waiting.lua
  return { serve_lines = serve_lines, serve_changed = serve_changed, write = write_waiting }
end
local waiting = filled[waiting_key] and make_waiting()

-- Before units of these lines are taken. Nil, or the name of a corrupt key.
local function serve_lines(lines)
  return waiting and waiting.serve_lines(lines) or nil
end

-- After units were given back. Should a queue be corrupt they are given back all the same, and whoever wants
-- to take some is told.
local function serve_changed()
  if waiting then waiting.serve_changed() end
end

local function write_waiting()
  if waiting then waiting.write() end
end
