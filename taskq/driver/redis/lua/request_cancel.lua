-- request_cancel: store a cancel request for a message that a worker has reserved, and wake its supervisor.
-- KEYS: 1 reserved list of the worker, 2 cancel requests, 3 wake-up key of the supervisor, 4 a key that never exists
-- ARGV: 1 the message as it is reserved (another attempt has other bytes), 2 the request, 3 lifetime of the requests in milliseconds,
--       4 lifetime of the wake-up token in milliseconds
-- Returns: 1, or 0 if that worker no longer has the message.
redis.call('DEL', KEYS[4])
if not redis.call('LPOS', KEYS[1], ARGV[1]) then return 0 end
redis.call('HSET', KEYS[2], string.sub(ARGV[1], 3, 18), ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
redis.call('LPUSH', KEYS[3], '1')
redis.call('LTRIM', KEYS[3], 0, 0)
redis.call('PEXPIRE', KEYS[3], ARGV[4])
return 1
