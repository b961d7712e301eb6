-- read: the next parts of a stream, and how far this reader has come: the worker waits when nobody comes after it.
-- KEYS: 1 parts of the message, 2 reading of the message, 3 a key that never exists
-- ARGV: 1 number of the last part read, 2 how many at most
-- Returns: the number at which the newest run begins; its entries after both, [id, [field, data]].
local after = tonumber(ARGV[1])
redis.call('DEL', KEYS[3])
local start = tonumber(redis.call('HGET', KEYS[2], 'start') or 0)
local read = tonumber(redis.call('HGET', KEYS[2], 'read') or 0)
-- Only in a key that is there, and so has an expiry; and nobody has read what isn't written yet, whatever he says.
local come = math.min(after, tonumber(redis.call('HGET', KEYS[2], 'wrote') or 0))
if come > read then redis.call('HSET', KEYS[2], 'read', come) end
local first = string.format('%d-0', math.max(after, start) + 1)
return {start, redis.call('XRANGE', KEYS[1], first, '+', 'COUNT', ARGV[2])}
