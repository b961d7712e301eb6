-- declare_lost(hash): note that the messages of a worker were reassigned. A worker that was only slow reads this when it continues,
-- within a week: a virtual machine may be paused over a weekend, and the server's clock may be set forward meanwhile.
local function declare_lost(hash)
  redis.call('HSET', hash, 'fate', 'given up')
  redis.call('PEXPIRE', hash, 604800000)
end
