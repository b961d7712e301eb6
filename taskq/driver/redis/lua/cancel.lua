-- cancel: remove a message that is not running, and store that it was cancelled.
-- KEYS: 1 waiting (a list), delayed or parked (sorted sets), 2 result, 3 parts, 4 reading of the message, 5 a key that never exists
-- ARGV: 1 the stored message, 2 lifetime of the result in milliseconds, 3 the result
-- Returns: 1, or 0 if the message wasn't there.
-- include: append, store_ending
redis.call('DEL', KEYS[5])
local removed
if redis.call('TYPE', KEYS[1]).ok == 'list' then removed = redis.call('LREM', KEYS[1], -1, ARGV[1])
else removed = redis.call('ZREM', KEYS[1], ARGV[1]) end
if removed == 0 then return 0 end
store_ending(KEYS[2], KEYS[3], KEYS[4], ARGV[2], ARGV[3], '0')
return 1
