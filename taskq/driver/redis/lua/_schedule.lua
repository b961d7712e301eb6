-- schedule(delayed, wake, due, message): store until `due`, and wake a supervisor if nothing is due earlier.
local function schedule(delayed, wake, due, message)
  local head = redis.call('ZRANGE', delayed, 0, 0, 'WITHSCORES')
  redis.call('ZADD', delayed, due, message)
  if not head[2] or due < tonumber(head[2]) then
    -- The token only saves time: a wake key of another type must not fail a script that has stored the message.
    redis.pcall('LPUSH', wake, '1')
    redis.pcall('LTRIM', wake, 0, 0)
  end
end
