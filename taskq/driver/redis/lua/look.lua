-- look: is there anything left to do? One atomic look, so that nothing is missed between two states.
-- KEYS: 1 waiting, 2 delayed, 3.. reserved lists
-- Returns: how many wait; how many are delayed and due; how many are reserved; how many are delayed and not due yet;
--          milliseconds until the next is due, -1 = none is delayed.
-- include: now
local time, reserved = now(), 0
for i = 3, #KEYS do reserved = reserved + redis.call('LLEN', KEYS[i]) end
local due = redis.call('ZCOUNT', KEYS[2], '-inf', time)
local head = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
local wait = head[2] and math.max(0, tonumber(head[2]) - time) or -1
return {redis.call('LLEN', KEYS[1]), due, reserved, redis.call('ZCARD', KEYS[2]) - due, wait}
