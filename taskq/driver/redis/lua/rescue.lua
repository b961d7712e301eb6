-- rescue: return the reserved messages of a lost worker.
-- KEYS: 1 workers, 2 its reserved list, 3 its hash, 4 waiting, 5 delayed, 6 failed, 7 timeout, 8 wake, 9 a key that never exists
-- ARGV: 1 worker; 2 its last heartbeat as the supervisor knows it: another one stops the rescue, "" = it is not registered, "exited" =
--       it has surely exited, "exiting" = and it stays registered, since the server may still reserve for it; 3 max_crashes; 4 "1" = the channel's on_lost is "timeout"; 5 maximum number of messages in failed or
--       timeout; 6 their lifetime in ms; 7.. for each message that was running: its id ("head" = the first, "all" = any of them),
--       "crash", "timeout" or "bystander", a record for its history, and milliseconds until it runs again after a timeout, -1 = no
--       attempt is left
-- Returns: how many messages were rescued, -1 if the worker has sent a heartbeat or was rescued before; how many of them were moved to
--          timeout, and to failed.
-- include: now, schedule, dead_letter, declare_lost, blame
local waiting, time = KEYS[4], now()
local has_exited = ARGV[2] == 'exited' or ARGV[2] == 'exiting'
if not has_exited and (redis.call('ZSCORE', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return {-1, 0, 0} end
local messages = redis.call('LRANGE', KEYS[2], 0, -1)
-- Keys of another type end the script here, before anything is moved.
redis.call('LLEN', waiting)
for i = 5, 7 do redis.call('ZCARD', KEYS[i]) end
redis.call('DEL', KEYS[9])
local at = {waiting = waiting, delayed = KEYS[5], failed = KEYS[6], timeout = KEYS[7], wake = KEYS[8], time = time}
at.crashes, at.lost_is_timeout, at.limit, at.ttl_ms = tonumber(ARGV[3]), ARGV[4] == '1', tonumber(ARGV[5]), tonumber(ARGV[6])
local blamed, dead = {}, {timeout = 0, failed = 0}
for i = 7, #ARGV, 4 do blamed[ARGV[i]] = {fault = ARGV[i + 1], record = ARGV[i + 2], wait = tonumber(ARGV[i + 3])} end
for i = #messages, 1, -1 do
  local message = messages[i]
  -- Only a message with a head can have been started; plain JSON messages get one before that.
  local headed = #message >= 25 and string.byte(message, 1) <= 1
  local found = headed and (blamed[string.sub(message, 3, 18)] or (i == 1 and blamed.head) or blamed.all)
  local letter = nil
  if found then letter = blame(message, found, at) else redis.call('RPUSH', waiting, message) end
  if letter then dead[letter] = dead[letter] + 1 end
end
-- Last, so that an error above duplicates a message instead of losing it: scripts are not rolled back.
redis.call('DEL', KEYS[2], KEYS[3])
if ARGV[2] ~= 'exiting' then redis.call('ZREM', KEYS[1], ARGV[1]) end
if not has_exited then declare_lost(KEYS[3]) end
return {#messages, dead.timeout, dead.failed}
