-- stamp: put a head before the plain JSON messages that this worker has reserved, so that they have an id and counters.
-- KEYS: 1 reserved list of this worker, 2 a key that never exists
-- ARGV: pairs: the stored bytes, the bytes with a head
-- Returns: for each pair 1, or 0 if the bytes weren't there.
redis.call('DEL', KEYS[2])
local stamped = {}
for i = 1, #ARGV, 2 do
  local place = redis.call('LPOS', KEYS[1], ARGV[i])
  if place then redis.call('LSET', KEYS[1], place, ARGV[i + 1]) end
  stamped[#stamped + 1] = place and 1 or 0
end
return stamped
