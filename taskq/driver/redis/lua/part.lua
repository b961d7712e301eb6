-- part: store what a generator job has yielded. Saying it twice stores it once.
-- KEYS: 1 reserved list of this worker, 2 parts of the message, 3 reading of the message, 4 a key that never exists
-- ARGV: 1 id, 2 number of the part, 3 the part, 4 milliseconds the parts live, 5 how many may be unread
-- Returns: 1 when it is stored; 0 when too many are unread; -1 when the message is no longer this worker's.
-- include: holds, append
local parts, reading, number = KEYS[2], KEYS[3], tonumber(ARGV[2])
redis.call('DEL', KEYS[4])
if not holds(KEYS[1], ARGV[1]) then return -1 end
if number <= tonumber(redis.call('HGET', reading, 'wrote') or 0) then return 1 end
local read = math.max(tonumber(redis.call('HGET', reading, 'read') or 0), tonumber(redis.call('HGET', reading, 'start') or 0))
if number - read > tonumber(ARGV[5]) then return 0 end
append(parts, reading, number, 'part', ARGV[3], ARGV[4])
return 1
