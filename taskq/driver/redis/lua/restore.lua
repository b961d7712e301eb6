-- restore: move messages from failed, timeout or parked to waiting (the moves reload and unpark).
-- KEYS: 1 failed, timeout or parked, 2 waiting, 3 cancel requests, or a key that never exists: those for a parked message still apply;
--       4.. result, parts and reading of each message
-- ARGV: pairs: the stored message, the message to store in waiting
-- Returns: how many were still there.
-- Removes nothing, but ends the script here if the user lacks the permission, or the key has another type. As the first write it also
-- allows the script to continue to write at maxmemory.
redis.call('ZREM', KEYS[1], '')
local moved = 0
for i = 1, #ARGV, 2 do
  -- In this order, a missing permission to push or a key of another type loses nothing.
  if redis.call('ZSCORE', KEYS[1], ARGV[i]) then
    redis.call('LPUSH', KEYS[2], ARGV[i + 1])
    local place = 4 + (i - 1) / 2 * 3
    -- They belong to the earlier runs. A missing permission, or a key of another type, must not stop the script here.
    redis.pcall('HDEL', KEYS[3], string.sub(ARGV[i], 3, 18))
    redis.call('DEL', KEYS[place], KEYS[place + 1], KEYS[place + 2])
    redis.call('ZREM', KEYS[1], ARGV[i])
    moved = moved + 1
  end
end
return moved
