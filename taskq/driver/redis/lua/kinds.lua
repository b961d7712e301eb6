-- kinds: find the keys of a wrong type. The server would reject every move to them.
-- KEYS: 1.. keys of the channel
-- ARGV: 1.. the type of each
-- Returns: for each wrong key: the key, its type ("" if this user may not ask), and the expected type.
local function probe(key, kind) -- every worker may send these commands, but not TYPE
  if kind == 'list' then return redis.pcall('LLEN', key) end
  if kind == 'zset' then return redis.pcall('ZCARD', key) end
  return redis.pcall('HGET', key, 'x')
end
local wrong = {}
for i, key in ipairs(KEYS) do
  local reply = probe(key, ARGV[i])
  if type(reply) == 'table' and string.find(reply.err or '', 'WRONGTYPE', 1, true) then
    local found = redis.pcall('TYPE', key)
    wrong[#wrong + 1] = key
    wrong[#wrong + 1] = found.ok or ''
    wrong[#wrong + 1] = ARGV[i]
  end
end
return wrong
