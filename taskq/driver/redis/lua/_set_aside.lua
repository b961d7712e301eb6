-- set_aside(zset, message, time, limit, ttl_ms): keep for a person, at most `limit` messages, each at most `ttl_ms` (0 = for ever).
local function set_aside(zset, message, time, limit, ttl_ms)
  redis.call('ZADD', zset, time, message)
  if ttl_ms > 0 then redis.call('ZREMRANGEBYSCORE', zset, '-inf', time - ttl_ms) end
  if limit > 0 then redis.call('ZREMRANGEBYRANK', zset, 0, -limit - 1) end
end
