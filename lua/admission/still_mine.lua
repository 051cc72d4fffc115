#!lua flags=no-writes
-- Whether this Redis is still the one that an admission began with. After a restart, or on a replica that
-- took over, it does not know this script.
-- KEYS  admission
-- ARGV  token
-- Reply MINE | LOST
-- include lib/batch.lua

return read("HGET", next_key(), "token") == next_arg() and "MINE" or "LOST"
