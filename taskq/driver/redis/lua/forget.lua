-- forget: clear the fate of a worker, which applied to the messages that it held until now.
-- KEYS: 1 workers, 2 hash of the worker
-- ARGV: 1 worker
-- Returns: 1, or 0 if it has none, or if it was declared lost and its supervisor has not read that yet.
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
return redis.call('HDEL', KEYS[2], 'fate')
