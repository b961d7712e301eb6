-- dead_letter(zset, message, time, limit, ttl_ms): store in failed or timeout: `limit` messages at most, each for `ttl_ms` (0 = forever).
local function dead_letter(zset, message, time, limit, ttl_ms)
  redis.call('ZADD', zset, time, message)
  if ttl_ms > 0 then redis.call('ZREMRANGEBYSCORE', zset, '-inf', time - ttl_ms) end
  if limit > 0 then redis.call('ZREMRANGEBYRANK', zset, 0, -limit - 1) end
end
