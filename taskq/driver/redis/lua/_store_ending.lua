-- store_ending(key, parts, reading, ttl_ms, ending, streams): store the final state of a message, and the end mark of its stream.
local function store_ending(key, parts, reading, ttl_ms, ending, streams)
  keep_ending(key, ttl_ms, ending)
  if streams ~= '1' then return end
  append(parts, reading, tonumber(redis.call('HGET', reading, 'wrote') or 0) + 1, 'end', '', ttl_ms)
end
