-- look: count the messages that are left, atomically, so that none is missed on its way from one state to another.
-- KEYS: 1 waiting, 2 delayed, 3.. reserved lists
-- Returns: the numbers of messages that are waiting; delayed and due; reserved; delayed and not due;
--          milliseconds until the next is due, -1 = none is delayed.
-- include: now
local time, reserved = now(), 0
for i = 3, #KEYS do reserved = reserved + redis.call('LLEN', KEYS[i]) end
local due = redis.call('ZCOUNT', KEYS[2], '-inf', time)
local head = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
local wait = head[2] and math.max(0, tonumber(head[2]) - time) or -1
return {redis.call('LLEN', KEYS[1]), due, reserved, redis.call('ZCARD', KEYS[2]) - due, wait}
