-- unregistered: find the workers that are not registered.
-- KEYS: 1 workers
-- ARGV: 1.. workers
-- Returns: those that are not registered.
local found = {}
for _, worker in ipairs(ARGV) do
  if not redis.call('ZSCORE', KEYS[1], worker) then found[#found + 1] = worker end
end
return found
