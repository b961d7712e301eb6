-- restore: bring messages that were set aside back to waiting (the moves reload and unpark).
-- KEYS: 1 failed, timeout or parked, 2 waiting
-- ARGV: pairs: the message as it lies there, the message as it shall wait
-- Returns: how many were still there.
redis.call('LLEN', KEYS[2]) -- a key of another type ends the script here, before anything is moved
local moved = 0
for i = 1, #ARGV, 2 do
  if redis.call('ZREM', KEYS[1], ARGV[i]) == 1 then
    redis.call('LPUSH', KEYS[2], ARGV[i + 1])
    moved = moved + 1
  end
end
return moved
