-- permissions: find the commands in scripts that this user lacks permission for. A script that is stopped halfway isn't rolled back and
--              could lose a message, so a worker checks this at startup.
-- KEYS: 1 a key that never exists, 2.. all other keys of the channel: the server checks the permission for them
-- Returns: the names of the commands.
local key, missing = KEYS[1], {}
local function note(command, reply)
  local text = type(reply) == 'table' and reply.err or ''
  -- The second text is that of Redis 6.2.
  if string.find(text, 'no permissions', 1, true) or string.find(text, "can't run this command", 1, true) then
    missing[#missing + 1] = command
  end
end
local function try(command, place, ...) note(command, redis.pcall(command, place, ...)) end
try('DEL', key) -- also allows the script to continue to write at maxmemory
if #missing > 0 then return missing end -- the keys written below could not be removed
note('TIME', redis.pcall('TIME'))
try('LPUSH', key, 'x')
try('RPUSH', key, 'x')
try('LLEN', key)
try('TYPE', key)
try('LINDEX', key, 0)
try('LRANGE', key, 0, 0)
try('LPOS', key, 'x')
try('LSET', key, 0, 'x')
try('LTRIM', key, 0, -1)
try('LREM', key, 1, 'y')
try('RPOP', key)
redis.call('DEL', key)
try('ZADD', key, 1, 'x')
try('ZSCORE', key, 'x')
try('ZCARD', key)
try('ZCOUNT', key, 1, 1)
try('ZRANGE', key, 0, 0)
try('ZREVRANGE', key, 0, 0)
try('ZRANGEBYSCORE', key, 1, 1)
try('ZREM', key, 'y')
try('ZREMRANGEBYRANK', key, 0, 0)
redis.call('DEL', key)
try('HSET', key, 'x', 'x')
try('HGET', key, 'x')
try('HDEL', key, 'x')
redis.call('DEL', key)
try('XADD', key, '*', 'x', 'x')
redis.call('DEL', key)
try('SET', key, 'x')
try('PEXPIRE', key, 1000)
redis.call('DEL', key)
return missing
