-- finish: remove a finished (or dropped, or cancelled) message and store its result.
-- KEYS: 1 reserved list of this worker, 2 result, 3 parts, 4 reading of the message
-- ARGV: 1 id, 2 lifetime of the result in milliseconds, 3 the result, 4 "1" if the message has a stream
-- Returns: 1, or 0 if this worker no longer had the message.
-- include: take, append, keep_ending, store_ending
if not take(KEYS[1], ARGV[1]) then return 0 end
store_ending(KEYS[2], KEYS[3], KEYS[4], ARGV[2], ARGV[3], ARGV[4])
return 1
