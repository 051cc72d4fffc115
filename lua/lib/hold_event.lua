-- The payload of a hold's event: complete by itself, so that it can be applied without any other one.
-- Times are ms since 1970. `more` is further members as JSON, each with a leading comma.
local function hold_payload(hold, request_id, lines, more)
  return string.format(
    '{"event_version":1,"occurred_at":%d,"request_id":%s,"hold_id":"%s","status":"%s","user_id":%s,'
      .. '"created_at":%d,"expires_at":%d,"version":%d,"lines":%s%s}',
    now, cjson.encode(request_id), hold.hold_id, hold.status, cjson.encode(hold.user_id),
    hold.created_at, hold.expires_at, hold.version, lines_json(lines), more)
end
