-- rescue: bring back what a worker that is no more had reserved.
-- KEYS: 1 workers, 2 its reserved list, 3 its hash, 4 waiting, 5 delayed, 6 failed, 7 timeout, 8 wake, 9 a key that never exists
-- ARGV: 1 worker; 2 lease in ms: a younger heartbeat stops the rescue, 0 = it is known to be dead; 3 id of the message to blame,
--       "head" = the first (it was running), "" = none; 4 "crash" or "timeout"; 5 record for the blamed one's history;
--       6 max_crashes; 7 milliseconds until a timed-out message runs again, -1 = no attempt is left;
--       8 "1" = the channel's lost messages go to timeout; 9 how many failed or timeout keep; 10 how many ms they keep them
-- Returns: -1 when the worker lives, else how many messages were brought back.
-- include: now, schedule, set_aside, give_up
local waiting, delayed, wake, time = KEYS[4], KEYS[5], KEYS[8], now()
local beat = redis.call('ZSCORE', KEYS[1], ARGV[1])
if tonumber(ARGV[2]) > 0 and beat and tonumber(beat) > time - tonumber(ARGV[2]) then return -1 end
local messages = redis.call('LRANGE', KEYS[2], 0, -1)
-- Keys of another type end the script here, before anything is moved.
redis.call('LLEN', waiting)
for i = 5, 7 do redis.call('ZCARD', KEYS[i]) end
redis.call('DEL', KEYS[9])
local function blame(message)
  local flags = string.byte(message, 21)
  if ARGV[4] == 'timeout' then
    local attempts = math.min(65535, string.byte(message, 19) * 256 + string.byte(message, 20) + 1)
    message = string.sub(message, 1, 18) .. string.char(math.floor(attempts / 256), attempts % 256) .. string.sub(message, 21) .. ARGV[5]
    local wait = tonumber(ARGV[7])
    -- Without an attempt left the next worker settles it without running it: on_fail is the application's code.
    if wait < 0 then redis.call('RPUSH', waiting, message) else schedule(delayed, wake, time + wait, message) end
    return
  end
  local crashes = math.min(255, string.byte(message, 2) + 1)
  message = string.sub(message, 1, 1) .. string.char(crashes) .. string.sub(message, 3) .. ARGV[5]
  local limit = tonumber(ARGV[6])
  -- What the job says (flags 2: timeout, 4: retry) goes before what the channel says.
  if math.floor(flags / 2) % 2 == 1 or (ARGV[8] == '1' and math.floor(flags / 4) % 2 == 0) then
    set_aside(KEYS[7], message, time, tonumber(ARGV[9]), tonumber(ARGV[10]))
  elseif crashes > limit + 1 then -- even settling it kills: no worker may touch it again
    set_aside(KEYS[6], message, time, tonumber(ARGV[9]), tonumber(ARGV[10]))
  elseif crashes == 1 or crashes > limit then redis.call('RPUSH', waiting, message)
  else schedule(delayed, wake, time + math.min(3600000, 1000 * 10 ^ (crashes - 2)), message) end
end
for i = #messages, 1, -1 do
  local message = messages[i]
  -- Only a message with a head can have been started; foreign bytes get theirs before that.
  local headed = #message >= 25 and string.byte(message, 1) <= 1
  if headed and (ARGV[3] == string.sub(message, 3, 18) or (ARGV[3] == 'head' and i == 1)) then blame(message)
  else redis.call('RPUSH', waiting, message) end
end
-- Last, so that an error above doubles a message rather than losing it: a script is not rolled back.
redis.call('DEL', KEYS[2], KEYS[3])
redis.call('ZREM', KEYS[1], ARGV[1])
if tonumber(ARGV[2]) > 0 then give_up(KEYS[3]) end
return #messages
