-- settle(list, ordered, first, last): remove the messages with the ids ARGV[first] to ARGV[last]. Return how many were there, and a table
-- with the ids that were not.
-- ordered: the ids are different, in the order of the list, and if the first is there, all are. Then equal ends mean
-- that the ids between them are equal, too.
local function settle(list, ordered, first, last)
  local count = last - first + 1
  if count <= 0 then return 0, {} end
  local function has(place, id) return string.sub(redis.call('LINDEX', list, place) or '', 3, 18) == id end
  local together = ordered and has(count - 1, ARGV[last]) and (count == 1 or has(0, ARGV[first]))
  if not together then
    -- In any order, they are often the first of the list.
    local wanted, found = {}, 0
    for i = first, last do wanted[ARGV[i]] = true end
    for _, message in ipairs(redis.call('LRANGE', list, 0, count - 1)) do
      local id = string.sub(message, 3, 18)
      if wanted[id] then found, wanted[id] = found + 1, nil end
    end
    together = found == count
  end
  if together then
    redis.call('LTRIM', list, count, -1) -- not LPOP, which would return the messages
    return count, {}
  end
  local settled, gone = 0, {}
  for i = first, last do
    if take(list, ARGV[i]) then settled = settled + 1 else gone[ARGV[i]] = true end
  end
  return settled, gone
end
