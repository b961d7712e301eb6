-- stamp: put a head before the plain JSON messages that this worker has reserved, so that they have an id and counters.
-- KEYS: 1 reserved list of this worker, 2 a key that never exists
-- ARGV: pairs: the stored bytes, the bytes with a head
-- Returns: for each pair 1, or 0 if the bytes weren't there. A head that is in the list already isn't written again: the command was
--          repeated, and an equal message that was reserved meanwhile would get the same id.
redis.call('DEL', KEYS[2])
local there = {}
for _, message in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do there[message] = true end
local stamped = {}
for i = 1, #ARGV, 2 do
  local place = not there[ARGV[i + 1]] and redis.call('LPOS', KEYS[1], ARGV[i])
  if place then redis.call('LSET', KEYS[1], place, ARGV[i + 1]) end
  stamped[#stamped + 1] = (place or there[ARGV[i + 1]]) and 1 or 0
end
return stamped
