-- reserve: settle what is done and take the next messages, in one round trip.
-- KEYS: 1 waiting, 2 reserved list of this worker, 3 workers
-- ARGV: 1 worker, 2 how many at most, 3.. ids of messages that are done
-- Returns: how many of the done ones were still this worker's; 1 when the worker is registered, else 0 and nothing is taken;
--          the messages. No worker takes more than its fair share of what waits, nor much more than 1 MiB.
-- include: take, settle, push_all
local waiting, reserved, workers = KEYS[1], KEYS[2], KEYS[3]
local settled = settle(reserved, {unpack(ARGV, 3)})
-- Here, before anything is taken, the script ends when the key is of another type, or when a Cluster's slot is moving and the list
-- was emptied just now: the node would refuse to make it anew, and what was taken would be lost.
redis.call('LLEN', reserved)
if not redis.call('ZSCORE', workers, ARGV[1]) then return {settled, 0, {}} end
local share = math.ceil(redis.call('LLEN', waiting) / redis.call('ZCARD', workers))
local want = math.min(tonumber(ARGV[2]), share)
if want <= 0 then return {settled, 1, {}} end
-- A reply of very many bytes would hold up everybody, and come too late: unless five of the messages show that all are small, they
-- are taken in small pieces, and no more once there are 1 MiB.
local are_small = true
for i = 0, 4 do
  local sample = redis.call('LINDEX', waiting, -1 - math.floor((want - 1) * i / 4))
  if #sample > 4096 then are_small = false end
end
local messages, bytes = {}, 0
while #messages < want and bytes < 1048576 do
  -- RPOP comes first: a write that can't grow memory lets the script write on when the server is at maxmemory.
  local step = are_small and want or math.max(1, math.min(#messages, 16))
  local piece = redis.call('RPOP', waiting, math.min(want - #messages, step))
  push_all('RPUSH', reserved, piece)
  if are_small then return {settled, 1, piece} end
  for i = 1, #piece do
    messages[#messages + 1] = piece[i]
    bytes = bytes + #piece[i]
  end
end
return {settled, 1, messages}
