-- give_up(hash): a worker whose lease ran out may only have been slow: tell it, when it comes back, that its messages are others' now.
local function give_up(hash)
  redis.call('HSET', hash, 'fate', 'given up')
  redis.call('PEXPIRE', hash, 86400000)
end
