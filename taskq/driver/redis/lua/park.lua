-- park: set a message aside until a worker comes that can run it.
-- KEYS: 1 reserved list of this worker, 2 parked
-- ARGV: 1 id, 2 the message with the reason in its history
-- Returns: 1, or 0 when the message was no longer this worker's.
-- include: now, take
redis.call('ZCARD', KEYS[2]) -- a key of another type ends the script here, before anything is moved
if not take(KEYS[1], ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[2], now(), ARGV[2])
return 1
