-- adopt: restore the reserved list of a worker after the server has lost it.
-- KEYS: 1 reserved list of this worker, 2 a key that never exists
-- ARGV: 1.. messages
-- Returns: how many were missing.
redis.call('DEL', KEYS[2])
local there = {}
for _, message in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do there[string.sub(message, 3, 18)] = true end
local missing = 0
for _, message in ipairs(ARGV) do
  if not there[string.sub(message, 3, 18)] then
    redis.call('RPUSH', KEYS[1], message)
    missing = missing + 1
  end
end
return missing
