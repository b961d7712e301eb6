-- part: store items of a stream, in their order. Safe to repeat: a number that is stored already is ignored.
-- KEYS: 1 reserved list of this worker, 2 parts of the message, 3 reading of the message, 4 a key that never exists
-- ARGV: 1 id, 2 number of the first item, 3 lifetime of the items in milliseconds, 4 maximum number of unread items, 5 the run,
--       6.. the items
-- Returns: the number of the last item that is stored, a lower one than that of the last item if too many are unread; -1 if this
--          worker no longer has the message, or a later run has begun.
-- include: holds, append
local parts, reading, first = KEYS[2], KEYS[3], tonumber(ARGV[2])
redis.call('DEL', KEYS[4])
if not holds(KEYS[1], ARGV[1]) then return -1 end
local run = redis.call('HGET', reading, 'run')
if run and run ~= ARGV[5] then return -1 end
local wrote = tonumber(redis.call('HGET', reading, 'wrote') or 0)
local read = math.max(tonumber(redis.call('HGET', reading, 'read') or 0), tonumber(redis.call('HGET', reading, 'start') or 0))
local last = math.min(first + #ARGV - 6, read + tonumber(ARGV[4]))
-- Less than `first`: too many are unread, and the server has lost what was stored before.
if last <= wrote or last < first then return wrote end
for number = math.max(first, wrote + 1), last - 1 do
  redis.call('XADD', parts, string.format('%d-0', number), 'part', ARGV[number - first + 6])
end
append(parts, reading, last, 'part', ARGV[last - first + 6], ARGV[3])
return last
