-- begin: start the stream of a generator job. After an earlier run, a mark shows readers that the stream starts over.
-- KEYS: 1 reserved list of this worker, 2 parts of the message, 3 reading of the message, 4 a key that never exists
-- ARGV: 1 id, 2 lifetime of the items in milliseconds
-- Returns: the number of the last entry of the stream; -1 if this worker no longer has the message.
-- include: holds, append
redis.call('DEL', KEYS[4])
if not holds(KEYS[1], ARGV[1]) then return -1 end
local wrote = tonumber(redis.call('HGET', KEYS[3], 'wrote') or 0)
if wrote == 0 then return 0 end
append(KEYS[2], KEYS[3], wrote + 1, 'begin', '', ARGV[2])
redis.call('HSET', KEYS[3], 'start', wrote + 1)
return wrote + 1
