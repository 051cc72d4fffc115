-- Requests as text. All of a kind are equally long, so their head is made once.
local posts = {}

local function head(path, body)
  return string.format(
    "POST %s HTTP/1.1\r\nHost: %s:%s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n",
    path, wrk.host, wrk.port, #body)
end

-- Returns a function that makes the next reserve: a key and a user of its own, over the SKUs in turn.
function posts.reserves(path, key_prefix, skus)
  local body = '{"sku":"sku-%07d","qty":1,"user_id":"user-%08d","ttl_seconds":7200,"idempotency_key":"'
    .. key_prefix .. '-%08d"}'
  local text = head(path, string.format(body, 0, 0, 0)) .. body
  local count = 0
  return function()
    count = count + 1
    -- A prime apart: neighbours in time are not neighbours in name, and each gets as many as any other.
    return string.format(text, count * 7919 % skus, count, count)
  end
end

-- Returns a function that makes the confirm of a hold.
function posts.confirms()
  local body = '{"hold_id":"%s","payment_ref":"pay-%08d"}'
  local text = head("/holds/confirm", string.format(body, "H-01234567-89ab-cdef-0123-456789abcdef", 0))
    .. body
  local count = 0
  return function(hold_id)
    count = count + 1
    return string.format(text, hold_id, count)
  end
end

return posts
