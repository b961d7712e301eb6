-- holds(list, id): return true if the message with this id is in a reserved list. It is nearly always the first.
local function holds(list, id)
  local first = redis.call('LINDEX', list, 0)
  if not first then return false end
  if string.sub(first, 3, 18) == id then return true end
  for _, message in ipairs(redis.call('LRANGE', list, 1, -1)) do
    if string.sub(message, 3, 18) == id then return true end
  end
  return false
end
