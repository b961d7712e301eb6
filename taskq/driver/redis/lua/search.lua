-- search: list the ids in a state that begin with some bytes, one page at a time, so that the server is never blocked for long.
-- KEYS: 1 waiting, a reserved list (lists), delayed, failed, timeout or parked (sorted sets)
-- ARGV: 1 the bytes, 2 number of messages to skip (newest first), 3 number of messages to search
-- Returns: how many were searched, fewer than eight = these were the last; the ids among them.
-- include: page
local command = redis.call('TYPE', KEYS[1]).ok == 'list' and 'LRANGE' or 'ZREVRANGE'
local messages = page(command, KEYS[1], tonumber(ARGV[2]), tonumber(ARGV[3]), '')
local found = {#messages}
for _, message in ipairs(messages) do
  -- Bytes of other clients have no id: text begins with a higher byte than a message. Version 8 marks the place of a removed message.
  if (string.byte(message, 1) or 255) < 8 and string.sub(message, 3, 2 + #ARGV[1]) == ARGV[1] then
    found[#found + 1] = string.sub(message, 3, 18)
  end
end
return found
