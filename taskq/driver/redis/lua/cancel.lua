-- cancel: take a message out of a state in which nobody runs it, and keep that it was cancelled.
-- KEYS: 1 waiting (a list), delayed or parked (sorted sets), 2 result, 3 parts, 4 reading of the message, 5 a key that never exists
-- ARGV: 1 the message as it lies there, 2 milliseconds to keep that, 3 how it ended
-- Returns: 1, or 0 when it wasn't there (any more).
-- include: append, keep
redis.call('DEL', KEYS[5])
local removed
if redis.call('TYPE', KEYS[1]).ok == 'list' then removed = redis.call('LREM', KEYS[1], -1, ARGV[1])
else removed = redis.call('ZREM', KEYS[1], ARGV[1]) end
if removed == 0 then return 0 end
keep(KEYS[2], KEYS[3], KEYS[4], ARGV[2], ARGV[3], '0')
return 1
