-- fail: set a message aside for a person, in failed or timeout.
-- KEYS: 1 reserved list of this worker, 2 failed or timeout, 3 result, 4 parts, 5 reading of the message
-- ARGV: 1 id, 2 the message with its history, 3 how many to keep, 4 milliseconds to keep them (0 = for ever);
--       5 milliseconds to keep the result (0 = keep none), 6 the result, 7 "1" when it has a stream of parts
-- Returns: 1, or 0 when the message was no longer this worker's.
-- include: now, take, set_aside, append, keep
redis.call('ZCARD', KEYS[2]) -- a key of another type ends the script here, before anything is moved
if not take(KEYS[1], ARGV[1]) then return 0 end
set_aside(KEYS[2], ARGV[2], now(), tonumber(ARGV[3]), tonumber(ARGV[4]))
if tonumber(ARGV[5]) > 0 then keep(KEYS[3], KEYS[4], KEYS[5], ARGV[5], ARGV[6], ARGV[7]) end
return 1
