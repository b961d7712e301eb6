-- beat(workers, worker, hash, lifetime, register, first, last): write a heartbeat; the fields of the hash are ARGV[first] to ARGV[last].
-- Returns 1, 0 or -1 as the script heartbeat does, or an error.
local function beat(workers, worker, hash, lifetime, register, first, last)
  local score = redis.call('ZSCORE', workers, worker)
  local known = score and 1 or 0
  local fate = redis.pcall('HGET', hash, 'fate')
  if type(fate) == 'table' then -- an error; only a key of another type is harmless, because the hash is only informative
    if not string.find(fate.err, 'WRONGTYPE', 1, true) then return fate end
    redis.call('DEL', hash)
  end
  if known == 0 and fate == 'given up' then known = -1 end
  if known == 1 or register then
    -- The fraction of the score counts heartbeats. So each one changes the score, even if the clock stands still or was set back.
    local count = score and (tonumber(score) % 1 * 1024 + 1) % 1024 or 0
    redis.call('ZADD', workers, now() + count / 1024, worker)
    if first <= last then redis.call('HSET', hash, unpack(ARGV, first, last)) end
    redis.call('PEXPIRE', hash, lifetime)
  end
  return known
end
