-- forget: a worker has looked at what it holds: its fate was that of what it held before.
-- KEYS: 1 workers, 2 hash of the worker
-- ARGV: 1 worker
-- Returns: 1, or 0 when it has none, or was given up and its supervisor doesn't know yet: that must still learn it.
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
return redis.call('HDEL', KEYS[2], 'fate')
