-- settle(list, ids): remove each message, and return how many were there. Jobs finish in the order in which they were
-- reserved, so the ids are nearly always the first of the list.
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
