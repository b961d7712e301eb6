-- delete: remove a message that is delayed or waiting.
-- KEYS: 1 delayed, 2 waiting
-- ARGV: 1 the message as it was pushed
-- Returns: 1, or 0 if it was in neither: it is running, has finished, or was deleted before.
if redis.call('ZREM', KEYS[1], ARGV[1]) == 1 then return 1 end
return redis.call('LREM', KEYS[2], 1, ARGV[1])
