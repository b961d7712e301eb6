-- order: ask for the end of a message that a worker has reserved: its supervisor is woken, and finds the order.
-- KEYS: 1 reserved list of the worker, 2 cancels, 3 calls of the supervisor, 4 a key that never exists
-- ARGV: 1 id, 2 the order, 3 milliseconds that orders live, 4 milliseconds that a call lives
-- Returns: 1, or 0 when the message is no longer that worker's.
-- include: holds
redis.call('DEL', KEYS[4])
if not holds(KEYS[1], ARGV[1]) then return 0 end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
redis.call('LPUSH', KEYS[3], '1')
redis.call('LTRIM', KEYS[3], 0, 0)
redis.call('PEXPIRE', KEYS[3], ARGV[4])
return 1
