-- push: store messages, due at once or later. (Without a delay and an idempotency key, a plain LPUSH is enough.)
-- KEYS: 1 waiting, 2 delayed, 3 wake, 4 idempotency key
-- ARGV: 1 lifetime of the idempotency key in milliseconds, 0 = don't use it; 2 "now", "in" or "at"; 3 milliseconds (of delay, or since
--       the epoch); 4.. messages
-- Returns: how many were stored; 0 if the idempotency key exists: an earlier try of the same push has arrived.
-- include: now, push_all, schedule
local waiting, delayed, wake, once = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
-- Keys of another type end the script here: an idempotency key without its message would make the repeated push look stored.
redis.call('LLEN', waiting)
redis.call('ZCARD', delayed)
if tonumber(ARGV[1]) > 0 and not redis.call('SET', once, '1', 'NX', 'PX', ARGV[1]) then
  redis.call('PEXPIRE', once, ARGV[1]) -- a write: WAIT then counts replicas that have it, and so the first try too
  return 0
end
if ARGV[2] == 'now' then
  local messages = {}
  for i = 4, #ARGV do messages[i - 3] = ARGV[i] end
  push_all('LPUSH', waiting, messages)
else
  local due = tonumber(ARGV[3])
  if ARGV[2] == 'in' then due = now() + due end
  -- Not all at once: Lua can't unpack more than 7,999 values into one call, and each message has a score beside it.
  for i = 4, #ARGV, 1000 do schedule(delayed, wake, due, unpack(ARGV, i, math.min(i + 999, #ARGV))) end
end
return #ARGV - 3
