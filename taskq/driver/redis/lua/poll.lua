-- poll: find out what is due in many channels, with one command.
-- KEYS: 1.. of each channel: delayed, cancel requests
-- Returns: for each channel: milliseconds until the next message is due, 0 = one is due, -1 = none is left; 1 if cancel requests are
--          stored; -2 and 1 for a channel whose keys can't be read: its supervisor must ask for it alone.
-- include: now
local time, reply = now(), {}
for i = 1, #KEYS, 2 do
  local delayed, cancels = KEYS[i], KEYS[i + 1]
  local head, kind = redis.pcall('ZRANGE', delayed, 0, 0, 'WITHSCORES'), redis.pcall('TYPE', cancels)
  local wait = -1
  if head.err then wait = -2
  elseif head[2] then wait = math.max(0, tonumber(head[2]) - time) end
  reply[i] = wait
  reply[i + 1] = (wait == -2 or kind.ok ~= 'none') and 1 or 0
end
return reply
