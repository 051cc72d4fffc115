-- Load for wrk: reserves, and for each of them a confirm.
-- Arguments: prefix of the idempotency keys, number of SKUs
-- wrk tells no connections apart, so the holds wait in one queue and the next free connection confirms the
-- oldest. To the API that is the same as each client confirming its own: as many of both, never one waiting
-- for long.
require("report")
local posts = require("posts")

function init(args)
  local reserve = posts.reserves("/holds/reserve", args[1], tonumber(args[2]))
  local confirm = posts.confirms()
  local held, first, last = {}, 1, 0

  function request()
    if first > last then return reserve() end
    local hold_id = held[first]
    held[first] = nil
    first = first + 1
    return confirm(hold_id)
  end

  function response(status, _, body)
    if status ~= 201 then return end
    last = last + 1
    held[last] = string.match(body, '"hold_id":"([^"]+)"')
  end
end
