-- find: look for a message by its id, a page of a state at a time so that the server is never held for long.
-- KEYS: 1 waiting, a reserved list (lists), delayed, failed, timeout or parked (sorted sets)
-- ARGV: 1 id, 2 how many to pass over (newest first), 3 how many to look at
-- Returns: how many were looked at; the message, when it is among them.
local key, first = KEYS[1], tonumber(ARGV[2])
local command = redis.call('TYPE', key).ok == 'list' and 'LRANGE' or 'ZREVRANGE'
-- Newest first: what comes meanwhile moves the others further on, where they are seen twice, and hides none.
local page = redis.call(command, key, first, first + tonumber(ARGV[3]) - 1)
for _, message in ipairs(page) do
  if string.sub(message, 3, 18) == ARGV[1] then return {#page, message} end
end
return {#page}
