-- store_ending(key, parts, reading, ttl_ms, ending, streams): store the final state of a message. In a list, because BLMOVE from the
-- list to itself wakes every blocked client and removes nothing. A stream gets its end mark.
local function store_ending(key, parts, reading, ttl_ms, ending, streams)
  redis.call('DEL', key)
  redis.call('RPUSH', key, ending)
  redis.call('PEXPIRE', key, ttl_ms)
  if streams ~= '1' then return end
  append(parts, reading, tonumber(redis.call('HGET', reading, 'wrote') or 0) + 1, 'end', '', ttl_ms)
end
