-- The payload of a hold's event: complete by itself, so that it can be applied without any other one.
-- Times are ms since 1970, as text. `more` is further members as JSON, each with a leading comma.
-- Joined and not formatted: string.format would read its pattern anew for every event.
local function hold_payload(hold, request_id, lines, more)
  return '{"event_version":1,"occurred_at":' .. now_text
    .. ',"request_id":' .. cjson.encode(request_id)
    .. ',"hold_id":"' .. hold.hold_id
    .. '","status":"' .. hold.status
    .. '","user_id":' .. cjson.encode(hold.user_id)
    .. ',"created_at":' .. hold.created_at
    .. ',"expires_at":' .. hold.expires_at
    .. ',"version":' .. hold.version
    .. (hold.extensions and ',"extensions":' .. hold.extensions or "")
    .. ',"lines":[' .. lines_json(lines) .. "]" .. more .. '}'
end
