-- search: list the ids in a state that begin with some bytes, one page at a time, so that the server is never blocked for long.
-- KEYS: 1 waiting, a reserved list (lists), delayed, failed, timeout or parked (sorted sets)
-- ARGV: 1 the bytes, 2 number of messages to skip (newest first), 3 number of messages to search
-- Returns: how many were searched; the ids among them.
local key, first = KEYS[1], tonumber(ARGV[2])
local command = redis.call('TYPE', key).ok == 'list' and 'LRANGE' or 'ZREVRANGE'
local page = redis.call(command, key, first, first + tonumber(ARGV[3]) - 1)
local found = {#page}
for _, message in ipairs(page) do
  -- Bytes of other clients have no id: text begins with a higher byte than a message.
  if (string.byte(message, 1) or 255) <= 8 and string.sub(message, 3, 2 + #ARGV[1]) == ARGV[1] then
    found[#found + 1] = string.sub(message, 3, 18)
  end
end
return found
