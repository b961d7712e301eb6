-- fail: move a message to failed or timeout, the dead-letter states.
-- KEYS: 1 reserved list of this worker, 2 failed or timeout, 3 result, 4 parts, 5 reading of the message
-- ARGV: 1 id, 2 the message with its history, 3 maximum number of messages there, 4 their lifetime in milliseconds (0 = forever);
--       5 lifetime of the result in milliseconds (0 = don't store it), 6 the result, 7 "1" if the message has a stream
-- Returns: 1, or 0 if this worker no longer had the message.
-- include: now, take, dead_letter, append, keep_ending, store_ending
redis.call('ZCARD', KEYS[2]) -- a key of another type ends the script here, before anything is moved
if not take(KEYS[1], ARGV[1]) then return 0 end
dead_letter(KEYS[2], ARGV[2], now(), tonumber(ARGV[3]), tonumber(ARGV[4]))
if tonumber(ARGV[5]) > 0 then store_ending(KEYS[3], KEYS[4], KEYS[5], ARGV[5], ARGV[6], ARGV[7]) end
return 1
