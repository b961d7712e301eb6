-- append(parts, reading, number, field, data, ttl_ms): add an entry to the stream of a message. Both keys expire.
local function append(parts, reading, number, field, data, ttl_ms)
  redis.call('XADD', parts, string.format('%d-0', number), field, data)
  redis.call('HSET', reading, 'wrote', number)
  redis.call('PEXPIRE', parts, ttl_ms)
  redis.call('PEXPIRE', reading, ttl_ms)
end
