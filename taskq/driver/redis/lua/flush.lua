-- flush: remove the oldest messages of a state, a limited number at a time, so that the server is never blocked for long.
-- KEYS: 1 waiting (a list), delayed, failed, timeout or parked (sorted sets)
-- ARGV: 1 maximum number
-- Returns: how many were removed.
local key, count = KEYS[1], tonumber(ARGV[1])
if count <= 0 then return 0 end
if redis.call('TYPE', key).ok == 'list' then
  local before = redis.call('LLEN', key)
  redis.call('LTRIM', key, 0, -count - 1)
  return before - redis.call('LLEN', key)
end
return redis.call('ZREMRANGEBYRANK', key, 0, count - 1)
