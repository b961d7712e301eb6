-- heartbeat: record that a worker process lives, and what it is doing.
-- KEYS: 1 workers, 2 reserved list of the worker, 3 hash of the worker, 4 a key that never exists
-- ARGV: 1 worker, 2 lifetime of the hash in milliseconds, 3 "1" to register an unknown worker; 4.. fields and values of the hash
-- Returns: 1 = the worker was registered before; 0 = it wasn't; -1 = it was declared lost, and its messages were reassigned;
--          how many messages it has reserved.
-- include: now
local workers, reserved, hash, nothing = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
redis.call('DEL', nothing)
local last = redis.call('ZSCORE', workers, ARGV[1])
local known = last and 1 or 0
local fate = redis.pcall('HGET', hash, 'fate')
if type(fate) == 'table' then -- an error; only a key of another type is harmless, because the hash is only informative
  if not string.find(fate.err, 'WRONGTYPE', 1, true) then return fate end
  redis.call('DEL', hash)
end
if known == 0 and fate == 'given up' then known = -1 end
if known == 1 or ARGV[3] == '1' then
  -- The fraction of the score counts heartbeats. So each one changes the score, even if the clock stands still or was set back.
  local count = last and (tonumber(last) % 1 * 1024 + 1) % 1024 or 0
  redis.call('ZADD', workers, now() + count / 1024, ARGV[1])
  if #ARGV > 3 then redis.call('HSET', hash, unpack(ARGV, 4)) end
  redis.call('PEXPIRE', hash, ARGV[2])
end
return {known, redis.call('LLEN', reserved)}
