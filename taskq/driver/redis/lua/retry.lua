-- retry: delay a message whose run failed until its next attempt.
-- KEYS: 1 reserved list of this worker, 2 delayed, 3 wake
-- ARGV: 1 id, 2 milliseconds until the next run, 3 the message with its new counts and history
-- Returns: 1, or 0 if this worker no longer had the message.
-- include: now, take, schedule
local reserved, delayed, wake = KEYS[1], KEYS[2], KEYS[3]
redis.call('ZCARD', delayed) -- a key of another type ends the script here, before anything is moved
if not take(reserved, ARGV[1]) then return 0 end
schedule(delayed, wake, now() + tonumber(ARGV[2]), ARGV[3])
return 1
