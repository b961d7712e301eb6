-- heartbeat: record that a worker process lives, and what it is doing.
-- KEYS: 1 workers, 2 reserved list of the worker, 3 hash of the worker, 4 a key that never exists
-- ARGV: 1 worker, 2 lifetime of the hash in milliseconds, 3 "1" to register an unknown worker; 4.. fields and values of the hash
-- Returns: 1 = the worker was registered before; 0 = it wasn't; -1 = it was declared lost, and its messages were reassigned;
--          how many messages it has reserved.
-- include: now, beat
local workers, reserved, hash, nothing = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
redis.call('DEL', nothing)
local known = beat(workers, ARGV[1], hash, ARGV[2], ARGV[3] == '1', 4, #ARGV)
if type(known) == 'table' then return known end
return {known, redis.call('LLEN', reserved)}
