-- declare_lost(hash): note that the messages of a worker were reassigned. A worker that was only slow reads this when it continues.
local function declare_lost(hash)
  redis.call('HSET', hash, 'fate', 'given up')
  redis.call('PEXPIRE', hash, 86400000)
end
