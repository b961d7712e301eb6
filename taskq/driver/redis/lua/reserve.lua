-- reserve: settle finished messages and take the next ones, in one round trip.
-- KEYS: 1 waiting, 2 reserved list of this worker, 3 workers, 4.. results of finished messages
-- ARGV: 1 worker, 2 maximum number, 3 "1" = the ids are ordered, as settle needs it; 4.. ids of finished messages, then for each result:
--       its id, its lifetime in milliseconds, the result
-- Returns: how many finished messages this worker still had; 1 = the worker is registered, 0 = it isn't, and nothing is taken;
--          the messages. No worker takes more than its fair share of the waiting messages, nor much more than 1 MiB.
-- include: take, settle, keep_ending, settle_batch, push_all
local waiting, reserved, workers = KEYS[1], KEYS[2], KEYS[3]
local settled = settle_batch(reserved, ARGV[3] == '1', 4, 4)
-- A check before anything is taken. The script ends here if the key has another type, or if a Cluster's slot is migrating and the
-- list has just become empty: the node would reject creating it again, and the taken messages would be lost.
redis.call('LLEN', reserved)
if not redis.call('ZSCORE', workers, ARGV[1]) then return {settled, 0, {}} end
local share = math.ceil(redis.call('LLEN', waiting) / redis.call('ZCARD', workers))
local want = math.min(tonumber(ARGV[2]), share)
if want <= 0 then return {settled, 1, {}} end
-- RPOP is first: after a write that needs no memory, the script may continue to write at maxmemory.
local first = redis.call('RPOP', waiting)
redis.call('RPUSH', reserved, first)
if want == 1 then return {settled, 1, {first}} end
-- A very large reply would delay all clients, and arrive too late. Unless the first message and a sample of four others are small, the
-- messages are taken in small pieces, up to 1 MiB. Behind a large one, none is copied only to measure it.
local rest, are_small = want - 1, #first <= 4096
local samples = math.min(4, rest)
for i = 0, samples - 1 do
  if not are_small then break end
  local sample = redis.call('LINDEX', waiting, -1 - math.floor((rest - 1) * i / math.max(1, samples - 1)))
  are_small = #sample <= 4096
end
local messages, bytes = {first}, #first
while #messages < want and bytes < 1048576 do
  local step = are_small and rest or math.min(#messages, 16)
  local piece = redis.call('RPOP', waiting, math.min(want - #messages, step))
  push_all('RPUSH', reserved, piece)
  for i = 1, #piece do
    messages[#messages + 1] = piece[i]
    bytes = bytes + #piece[i]
  end
end
return {settled, 1, messages}
