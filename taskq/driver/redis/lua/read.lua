-- read: return the next entries of a stream, and store the reader's position: the worker waits for the readers.
-- KEYS: 1 parts of the message, 2 reading of the message, 3 a key that never exists
-- ARGV: 1 number of the last item read, 2 maximum number
-- Returns: the number at which the newest run begins; the entries after both, [id, [field, data]].
local after = tonumber(ARGV[1])
redis.call('DEL', KEYS[3])
local start = tonumber(redis.call('HGET', KEYS[2], 'start') or 0)
local read = tonumber(redis.call('HGET', KEYS[2], 'read') or 0)
-- Only if the key exists, so that it expires. A position beyond the last item counts as the last item.
local position = math.min(after, tonumber(redis.call('HGET', KEYS[2], 'wrote') or 0))
if position > read then redis.call('HSET', KEYS[2], 'read', position) end
local first = string.format('%d-0', math.max(after, start) + 1)
return {start, redis.call('XRANGE', KEYS[1], first, '+', 'COUNT', ARGV[2])}
