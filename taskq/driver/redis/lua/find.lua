-- find: search a state for a message by its id, one page at a time, so that the server is never blocked for long.
-- KEYS: 1 waiting, a reserved list (lists), delayed, failed, timeout or parked (sorted sets)
-- ARGV: 1 id, 2 number of messages to skip (newest first), 3 number of messages to search
-- Returns: how many were searched; the message, if it is among them.
local key, first = KEYS[1], tonumber(ARGV[2])
local command = redis.call('TYPE', key).ok == 'list' and 'LRANGE' or 'ZREVRANGE'
-- Newest first: messages that arrive meanwhile shift the others to later pages, so none is missed.
local page = redis.call(command, key, first, first + tonumber(ARGV[3]) - 1)
for _, message in ipairs(page) do
  if string.sub(message, 3, 18) == ARGV[1] then return {#page, message} end
end
return {#page}
