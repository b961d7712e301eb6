-- cancel: remove a message that is not running, and store that it was cancelled. Of a long waiting list, one page is searched.
-- KEYS: 1 waiting (a list), delayed or parked (sorted sets), 2 result, 3 parts, 4 reading of the message, 5 a key that never exists
-- ARGV: 1 the stored message, 2 lifetime of the result in milliseconds, 3 the result, 4 number of waiting messages to skip (newest first),
--       -1 = search around its id, 5 number of messages to search, 6 how far from an end of waiting a message can be removed, 7 the mark
--       that replaces it elsewhere
-- Returns: 1; 0 if the message wasn't there; -n if it isn't among n waiting messages that were searched, and there are others.
-- include: append, keep_ending, store_ending, page, remove
redis.call('DEL', KEYS[5])
local removed
if redis.call('TYPE', KEYS[1]).ok == 'list' then
  removed = remove(KEYS[1], ARGV[1], tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7])
else removed = redis.call('ZREM', KEYS[1], ARGV[1]) end
if removed == 1 then store_ending(KEYS[2], KEYS[3], KEYS[4], ARGV[2], ARGV[3], '0') end
return removed
