-- heartbeat_all: record that many registered worker processes live, and what they are doing. Others are not registered.
-- KEYS: 1 a key that never exists, 2.. for each worker: the workers of its channel, its reserved list, its hash
-- ARGV: 1 lifetime of the hashes in milliseconds, 2.. for each worker: its id, how many words of its hash follow, its fields and values
-- Returns: for each worker: 1, 0 or -1 as heartbeat does; how many messages it has reserved.
-- include: now, beat
redis.call('DEL', KEYS[1])
local reply, at = {}, 2
for i = 2, #KEYS, 3 do
  local workers, reserved, hash = KEYS[i], KEYS[i + 1], KEYS[i + 2]
  local last = at + 1 + tonumber(ARGV[at + 1])
  local known = beat(workers, ARGV[at], hash, ARGV[1], false, at + 2, last)
  if type(known) == 'table' then return known end
  reply[#reply + 1] = known
  reply[#reply + 1] = redis.call('LLEN', reserved)
  at = last + 1
end
return reply
