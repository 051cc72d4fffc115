-- Load for wrk: reserves.
-- Arguments: path, prefix of the idempotency keys, number of SKUs, requests per second (0: closed loop)
require("report")
local posts = require("posts")
local pace = require("pace")

function init(args)
  local path, key_prefix, skus, per_second = args[1], args[2], tonumber(args[3]), tonumber(args[4])
  request = posts.reserves(path, key_prefix, skus)
  if per_second > 0 then delay = pace(per_second) end
end
