-- restore: move messages from failed, timeout or parked to waiting (the moves reload and unpark).
-- KEYS: 1 failed, timeout or parked, 2 waiting, 3 cancel requests, or a key that never exists: those for a parked message still apply;
--       4.. result, parts and reading of each message
-- ARGV: pairs: the stored message, the message to store in waiting
-- Returns: how many were still there.
-- They remove nothing, but end the script here if the user lacks a permission, or a key has another type. As the first writes they also
-- allow the script to continue to write at maxmemory.
redis.call('ZREM', KEYS[1], '')
redis.call('HDEL', KEYS[3], '')
local moved = 0
for i = 1, #ARGV, 2 do
  -- In this order, a missing permission to push or a key of another type loses nothing.
  if redis.call('ZSCORE', KEYS[1], ARGV[i]) then
    redis.call('LPUSH', KEYS[2], ARGV[i + 1])
    local place = 4 + (i - 1) / 2 * 3
    redis.call('HDEL', KEYS[3], string.sub(ARGV[i], 3, 18))  -- a cancel request belongs to the earlier runs
    redis.call('DEL', KEYS[place], KEYS[place + 1], KEYS[place + 2])
    redis.call('ZREM', KEYS[1], ARGV[i])
    moved = moved + 1
  end
end
return moved
