-- park: store a message until a worker starts that can run it.
-- KEYS: 1 reserved list of this worker, 2 parked
-- ARGV: 1 id, 2 the message with the reason in its history
-- Returns: 1, or 0 if this worker no longer had the message.
-- include: now, take
redis.call('ZCARD', KEYS[2]) -- a key of another type ends the script here, before anything is moved
if not take(KEYS[1], ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[2], now(), ARGV[2])
return 1
