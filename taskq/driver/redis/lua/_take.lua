-- take(list, id): remove the message with this id and return its bytes, or false if it isn't there.
-- This is the fence: a script that finds nothing here must stop, because the message was reassigned.
local function take(list, id)
  local first = redis.call('LINDEX', list, 0)
  if not first then return false end
  if string.sub(first, 3, 18) == id then
    redis.call('LTRIM', list, 1, -1) -- not LPOP, which would copy the message once more
    return first
  end
  -- Messages released to the front are taken from the end: this avoids reading the whole list for each.
  local last = redis.call('LINDEX', list, -1)
  if string.sub(last, 3, 18) == id then
    redis.call('LTRIM', list, 0, -2)
    return last
  end
  for _, message in ipairs(redis.call('LRANGE', list, 1, -2)) do
    if string.sub(message, 3, 18) == id then
      redis.call('LREM', list, 1, message)
      return message
    end
  end
  return false
end
