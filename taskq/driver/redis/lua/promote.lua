-- promote: move due messages from delayed to waiting, the earliest first.
-- KEYS: 1 delayed, 2 waiting
-- ARGV: 1 maximum number (a call must not block the server for long: 500 take half a millisecond, 1000 three times as long)
-- Returns: how many were moved; milliseconds until the next is due, 0 = more are due now, -1 = none is left.
-- include: now
local delayed, waiting = KEYS[1], KEYS[2]
local time = now()
redis.call('LLEN', waiting) -- a key of another type ends the script here, before anything is moved
local due = redis.call('ZRANGEBYSCORE', delayed, '-inf', time, 'LIMIT', 0, ARGV[1])
if #due > 0 then
  redis.call('ZREM', delayed, unpack(due))
  redis.call('LPUSH', waiting, unpack(due))
end
local head = redis.call('ZRANGE', delayed, 0, 0, 'WITHSCORES')
if not head[2] then return {#due, -1} end
return {#due, math.max(0, tonumber(head[2]) - time)}
