-- finish: forget a message that is done (or dropped, or cancelled) and keep how it ended.
-- KEYS: 1 reserved list of this worker, 2 result, 3 parts, 4 reading of the message
-- ARGV: 1 id, 2 milliseconds to keep the result, 3 the result, 4 "1" when it has a stream of parts
-- Returns: 1, or 0 when the message was no longer this worker's.
-- include: take, append, keep
if not take(KEYS[1], ARGV[1]) then return 0 end
keep(KEYS[2], KEYS[3], KEYS[4], ARGV[2], ARGV[3], ARGV[4])
return 1
