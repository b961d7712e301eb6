-- standing: what a worker is to the server, asked when one of its messages is not where it should be.
-- KEYS: 1 workers, 2 hash of the worker
-- ARGV: 1 worker
-- Returns: 1 = registered all the time; 0 = the server has lost what it knew (a flush, a restart without persistence, a failover
--          that lost the tail); -1 = the worker was given up for dead, and its messages were given to others.
local fate = redis.call('HGET', KEYS[2], 'fate')
if fate == 'given up' then return -1 end
if fate == 'lost' or not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
return 1
