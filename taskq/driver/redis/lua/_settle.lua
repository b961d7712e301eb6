-- settle(list, ids): remove each message; returns how many were there. Jobs end in the order they were
-- reserved, so nearly always the ids are just the first ones of the list.
local function settle(list, ids)
  if #ids == 0 then return 0 end
  local first = redis.call('LRANGE', list, 0, #ids - 1)
  local same = #first == #ids
  for i = 1, #first do
    if string.sub(first[i], 3, 18) ~= ids[i] then same = false break end
  end
  if same then
    redis.call('LPOP', list, #ids)
    return #ids
  end
  local settled = 0
  for _, id in ipairs(ids) do
    if take(list, id) then settled = settled + 1 end
  end
  return settled
end
