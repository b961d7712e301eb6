-- keep_ending(key, ttl_ms, ending): store the final state of a message. In a list, because BLMOVE from the list to itself wakes every
-- blocked client and removes nothing.
local function keep_ending(key, ttl_ms, ending)
  -- Nearly always the key is new. An earlier final state, or a key of another type, is replaced.
  if redis.pcall('RPUSH', key, ending) ~= 1 then
    redis.call('DEL', key)
    redis.call('RPUSH', key, ending)
  end
  redis.call('PEXPIRE', key, ttl_ms)
end
