-- part: store an item of a stream. Safe to repeat: a number that is stored already is ignored.
-- KEYS: 1 reserved list of this worker, 2 parts of the message, 3 reading of the message, 4 a key that never exists
-- ARGV: 1 id, 2 number of the item, 3 the item, 4 lifetime of the items in milliseconds, 5 maximum number of unread items,
--       6 the run
-- Returns: 1 if it is stored; 0 if too many are unread; -1 if this worker no longer has the message, or a later run has begun.
-- include: holds, append
local parts, reading, number = KEYS[2], KEYS[3], tonumber(ARGV[2])
redis.call('DEL', KEYS[4])
if not holds(KEYS[1], ARGV[1]) then return -1 end
local run = redis.call('HGET', reading, 'run')
if run and run ~= ARGV[6] then return -1 end
if number <= tonumber(redis.call('HGET', reading, 'wrote') or 0) then return 1 end
local read = math.max(tonumber(redis.call('HGET', reading, 'read') or 0), tonumber(redis.call('HGET', reading, 'start') or 0))
if number - read > tonumber(ARGV[5]) then return 0 end
append(parts, reading, number, 'part', ARGV[3], ARGV[4])
return 1
