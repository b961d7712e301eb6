-- push: store messages, at once or for later. (At once and without a marker a plain LPUSH does it.)
-- KEYS: 1 waiting, 2 delayed, 3 wake, 4 marker
-- ARGV: 1 milliseconds the marker lives, 0 = no marker; 2 "now", "in" or "at"; 3 milliseconds (of delay, or since the epoch);
--       4.. messages
-- Returns: how many were stored; 0 when the marker was there: an earlier try of the same push had arrived.
-- include: now, push_all, schedule
local waiting, delayed, wake, marker = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
-- Keys of another type end the script here: a marker of what wasn't stored would make its repetition look stored.
redis.call('LLEN', waiting)
redis.call('ZCARD', delayed)
if tonumber(ARGV[1]) > 0 and not redis.call('SET', marker, '1', 'NX', 'PX', ARGV[1]) then
  redis.call('PEXPIRE', marker, ARGV[1]) -- a write: the WAIT that follows counts replicas that have it, and so the first try too
  return 0
end
if ARGV[2] == 'now' then
  local messages = {}
  for i = 4, #ARGV do messages[i - 3] = ARGV[i] end
  push_all('LPUSH', waiting, messages)
else
  local due = tonumber(ARGV[3])
  if ARGV[2] == 'in' then due = now() + due end
  for i = 4, #ARGV do schedule(delayed, wake, due, ARGV[i]) end
end
return #ARGV - 3
