-- schedule(delayed, wake, due, ...): store messages until `due`, and wake a supervisor if nothing is due earlier.
local function schedule(delayed, wake, due, ...)
  local head = redis.call('ZRANGE', delayed, 0, 0, 'WITHSCORES')
  -- As text: otherwise, the call converts the number for each message.
  local score, pairs = string.format('%.17g', due), {}
  for i, message in ipairs({...}) do pairs[2 * i - 1], pairs[2 * i] = score, message end
  redis.call('ZADD', delayed, unpack(pairs))
  if not head[2] or due < tonumber(head[2]) then
    -- The token only saves time: a wake key of another type must not fail a script that has stored the messages.
    redis.pcall('LPUSH', wake, '1')
    redis.pcall('LTRIM', wake, 0, 0)
  end
end
