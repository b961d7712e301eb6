-- begin: start the stream of a run of a generator job. After an earlier run, a mark shows readers that the stream starts over.
-- KEYS: 1 reserved list of this worker, 2 parts of the message, 3 reading of the message, 4 a key that never exists
-- ARGV: 1 id, 2 lifetime of the items in milliseconds, 3 the run, 4 the run before it ('' = none)
-- Returns: the number of the last entry of the stream, or -1 if this worker no longer has the message; the run that the stream is of.
--          Another run than this one: nothing was done. The caller names that one as the run before, which a late command can't know.
-- include: holds, append
redis.call('DEL', KEYS[4])
if not holds(KEYS[1], ARGV[1]) then return {-1, ''} end
local run = redis.call('HGET', KEYS[3], 'run') or ''
if run == ARGV[3] then return {tonumber(redis.call('HGET', KEYS[3], 'start') or 0), run} end
if run ~= ARGV[4] then return {0, run} end
local wrote = tonumber(redis.call('HGET', KEYS[3], 'wrote') or 0)
redis.call('HSET', KEYS[3], 'run', ARGV[3])
redis.call('PEXPIRE', KEYS[3], ARGV[2])
if wrote == 0 then return {0, ARGV[3]} end
append(KEYS[2], KEYS[3], wrote + 1, 'begin', '', ARGV[2])
redis.call('HSET', KEYS[3], 'start', wrote + 1)
return {wrote + 1, ARGV[3]}
