-- flush: remove the oldest messages of a state, a limited number at a time, so that the server is never blocked for long.
-- KEYS: 1 waiting (a list), delayed, failed, timeout or parked (sorted sets)
-- ARGV: 1 maximum number, 2 until when by the server's clock, in milliseconds (0 = always): a late flush would remove newer messages
-- Returns: how many were removed; -1 = it is too late.
-- include: now
if tonumber(ARGV[2]) > 0 and now() > tonumber(ARGV[2]) then return -1 end
local key, count = KEYS[1], tonumber(ARGV[1])
if count <= 0 then return 0 end
if redis.call('TYPE', key).ok == 'list' then
  local before = redis.call('LLEN', key)
  redis.call('LTRIM', key, 0, -count - 1)
  return before - redis.call('LLEN', key)
end
return redis.call('ZREMRANGEBYRANK', key, 0, count - 1)
