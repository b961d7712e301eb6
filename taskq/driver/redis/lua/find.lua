-- find: search a state for a message by its id, one page at a time, so that the server is never blocked for long.
-- KEYS: 1 waiting, a reserved list (lists), delayed, failed, timeout or parked (sorted sets)
-- ARGV: 1 id, 2 number of messages to skip (newest first), -1 = search waiting around the place of the id, 3 number of messages to search
-- Returns: how many were searched, fewer than eight = these were the last; around an id: negative if there are others;
--          the message, if it is among them.
-- include: page
local command = redis.call('TYPE', KEYS[1]).ok == 'list' and 'LRANGE' or 'ZREVRANGE'
-- Newest first: messages that arrive meanwhile shift the others to later pages, so none is missed.
local messages, _, all = page(command, KEYS[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[1])
local searched = #messages
if ARGV[2] == '-1' and not all then searched = -searched end
for _, message in ipairs(messages) do
  -- Version 8 marks the place of a removed message.
  if string.sub(message, 3, 18) == ARGV[1] and string.byte(message, 1) ~= 8 then return {searched, message} end
end
return {searched}
