-- remove(waiting, message, start, count, reach, mark): remove a message from waiting, in bounded time. The server can remove only near the
-- ends of a list without reading all of it. Elsewhere `mark` takes the message's place, which the worker that reserves it settles.
-- Returns: 1 = it is removed; 0 = it isn't there; -n = it isn't among the n that were searched, and there are others.
local function remove(waiting, message, start, count, reach, mark)
  local length = redis.call('LLEN', waiting)
  local reads_all = length <= 2 * reach
  if not reads_all then
    -- There is no element behind the last one: this only shows whether the user may mark messages. Such a user may read them, too.
    local reply = redis.pcall('LSET', waiting, length, mark)
    reads_all = not string.find(reply.err, 'out of range', 1, true)
  end
  if reads_all then return redis.call('LREM', waiting, -1, message) end
  local messages, skipped = page('LRANGE', waiting, start, count, string.sub(message, 3, 18))
  for i, found in ipairs(messages) do
    if found == message then
      local index = skipped + i - 1
      if index < reach then return redis.call('LREM', waiting, 1, message) end
      if index >= length - reach then return redis.call('LREM', waiting, -1, message) end
      redis.call('LSET', waiting, index, mark)
      return 1
    end
  end
  if start >= 0 and #messages < 8 then return 0 end
  return -#messages
end
