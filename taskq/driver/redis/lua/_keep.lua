-- keep(key, parts, reading, ttl_ms, ending, streams): store how a message ended, for those who wait for it or ask later. A list, for
-- BLMOVE from it to itself wakes every waiter and takes nothing away. A stream of parts gets its end.
local function keep(key, parts, reading, ttl_ms, ending, streams)
  redis.call('DEL', key)
  redis.call('RPUSH', key, ending)
  redis.call('PEXPIRE', key, ttl_ms)
  if streams ~= '1' then return end
  append(parts, reading, tonumber(redis.call('HGET', reading, 'wrote') or 0) + 1, 'end', '', ttl_ms)
end
