-- keep(key, ttl_ms, ending): store how a message ended, for those who wait for it or ask later. A list, for BLMOVE from it to itself wakes
-- every waiter and takes nothing away.
local function keep(key, ttl_ms, ending)
  redis.call('DEL', key)
  redis.call('RPUSH', key, ending)
  redis.call('PEXPIRE', key, ttl_ms)
end
