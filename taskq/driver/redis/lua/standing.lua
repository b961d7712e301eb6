-- standing: return whether a worker is registered; asked if one of its messages is missing.
-- KEYS: 1 workers, 2 hash of the worker
-- ARGV: 1 worker
-- Returns: 1 = registered without interruption; 0 = the server has lost its data (a flush, a restart without persistence, a failover
--          that lost the last writes); -1 = the worker was declared lost, and its messages were reassigned.
local fate = redis.call('HGET', KEYS[2], 'fate')
if fate == 'given up' then return -1 end
if fate == 'lost' or not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
return 1
