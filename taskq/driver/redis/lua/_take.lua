-- take(list, id): remove the message with this id and return its bytes, or false if it isn't there.
-- This is the fence: a script that finds nothing here must stop, because the message was reassigned.
local function take(list, id)
  local first = redis.call('LINDEX', list, 0)
  if not first then return false end
  if string.sub(first, 3, 18) == id then return redis.call('LPOP', list) end
  -- Messages released to the front are taken from the end: this avoids reading the whole list for each.
  if string.sub(redis.call('LINDEX', list, -1), 3, 18) == id then return redis.call('RPOP', list) end
  for _, message in ipairs(redis.call('LRANGE', list, 1, -2)) do
    if string.sub(message, 3, 18) == id then
      redis.call('LREM', list, 1, message)
      return message
    end
  end
  return false
end
