-- dead_letter(zset, message, time, limit, ttl_ms): store in failed or timeout: `limit` messages at most, each for `ttl_ms` (0 = forever).
-- If the limit was lowered, a script removes 1,000 of the superfluous messages and later ones the rest: the server must not be blocked.
local spare = 1000
local function dead_letter(zset, message, time, limit, ttl_ms)
  redis.call('ZADD', zset, time, message)
  -- Not all expired messages at once: a clock that is a month ahead for a while must not empty the state.
  local expired = ttl_ms > 0 and redis.call('ZRANGEBYSCORE', zset, '-inf', time - ttl_ms, 'LIMIT', 0, 2) or {}
  if #expired > 0 then redis.call('ZREM', zset, unpack(expired)) end
  if limit <= 0 then return end
  local over = math.min(redis.call('ZCARD', zset) - limit, math.max(1, spare))
  if over <= 0 then return end
  spare = spare - over
  redis.call('ZREMRANGEBYRANK', zset, 0, over - 1)
  if redis.call('ZSCORE', zset, message) then return end
  -- The clock was set back, so the message sorts as the oldest: remove the next one instead.
  redis.call('ZADD', zset, time, message)
  redis.call('ZREMRANGEBYRANK', zset, 1, 1)
end
