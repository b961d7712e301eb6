-- requeue: release messages unchanged; no attempt is used.
-- KEYS: 1 reserved list of this worker, 2 waiting, 3 delayed, 4 wake
-- ARGV: 1 "front" (they are next, in their order), "back" (last) or "later"; 2 delay for "later" in milliseconds; 3.. ids
-- Returns: how many of them this worker still had.
-- include: now, take, schedule
local reserved, waiting, delayed, wake = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
-- Keys of another type end the script here, before anything is moved.
redis.call('LLEN', waiting)
redis.call('ZCARD', delayed)
local moved = 0
local first, last, step = 3, #ARGV, 1
-- Waiting is read from its right end: the first message is pushed last.
if ARGV[1] == 'front' then first, last, step = #ARGV, 3, -1 end
for i = first, last, step do
  local message = take(reserved, ARGV[i])
  if message then
    moved = moved + 1
    if ARGV[1] == 'front' then redis.call('RPUSH', waiting, message)
    elseif ARGV[1] == 'back' then redis.call('LPUSH', waiting, message)
    else schedule(delayed, wake, now() + tonumber(ARGV[2]), message) end
  end
end
return moved
