-- page(command, key, start, count, id): read messages of a state with LRANGE or ZREVRANGE, newest first. A page of large messages is
-- shorter, because Lua copies what it reads; one of fewer than eight is the last.
-- start: how many to skip. Negative, for waiting alone: read around the place of the id. Messages are nearly always in the order of their
-- ids, which begin with a time.
-- Returns: the messages; how many were skipped; true if a page around an id has all messages.
local function page(command, key, start, count, id)
  local length, place
  if start < 0 then
    local function time(message, at) -- as numbers: the server's locale decides how Lua compares strings
      local a, b, c, d, e, f, g, h, i, j = string.byte(message, at, at + 9)
      if not j then return 0, 0 end
      return ((((a * 256 + b) * 256 + c) * 256 + d) * 256 + e) * 256 + f, ((g * 256 + h) * 256 + i) * 256 + j
    end
    length, place = redis.call('LLEN', key), 0
    local high = length
    local wanted, number = time(id, 1)
    while place < high do
      local middle = math.floor((place + high) / 2)
      local its, its_number = time(redis.call('LINDEX', key, middle), 3)
      if its > wanted or (its == wanted and its_number > number) then place = middle + 1 else high = middle end
    end
    start = math.max(0, place - 4)
  end
  local messages, bytes = redis.call(command, key, start, start + math.min(count, 8) - 1), 1
  for _, message in ipairs(messages) do bytes = bytes + #message end
  count = math.min(count, math.max(8, math.floor(262144 * #messages / bytes)))
  if place then start = length <= count and 0 or math.max(0, place - math.floor(count / 2)) end
  if place or (count > 8 and #messages == 8) then messages = redis.call(command, key, start, start + count - 1) end
  return messages, start, #messages == length
end
