-- delete: remove a message that is delayed or waiting. Of a long waiting list, one page is searched.
-- KEYS: 1 delayed, 2 waiting
-- ARGV: 1 the message as it was pushed, 2 number of waiting messages to skip (newest first), -1 = search around its id,
--       3 number of messages to search, 4 how far from an end of waiting a message can be removed, 5 the mark that replaces it elsewhere
-- Returns: 1; 0 if it was in neither: it is running, has finished, or was deleted before; -n if it isn't among n waiting messages that
--          were searched, and there are others.
-- include: page, remove
if redis.call('ZREM', KEYS[1], ARGV[1]) == 1 then return 1 end
return remove(KEYS[2], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5])
