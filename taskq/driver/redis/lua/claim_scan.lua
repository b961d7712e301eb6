-- claim_scan: let one supervisor scan for orphaned messages in a period; the others skip that scan.
-- KEYS: 1 a key that never exists, 2.. the record of the last scan of each channel
-- ARGV: 1 the supervisor, 2 the milliseconds since it last wanted to scan, 3 lifetime of the keys in milliseconds
-- Returns: for each channel: 1 = it may scan, 0 = another one has begun a scan meanwhile.
-- include: now
redis.call('DEL', KEYS[1])
local time, reply = now(), {}
for i = 2, #KEYS do
  local by, at = redis.pcall('HGET', KEYS[i], 'by'), redis.pcall('HGET', KEYS[i], 'at')
  -- A scan in the future: the clock was set back after it.
  local age = type(at) == 'string' and time - tonumber(at) or -1
  local is_done = type(by) == 'string' and by ~= ARGV[1] and age >= 0 and age < tonumber(ARGV[2])
  reply[i - 1] = is_done and 0 or 1
  if not is_done then
    -- A key of another type must not stop the scan.
    redis.pcall('HSET', KEYS[i], 'by', ARGV[1], 'at', time)
    redis.pcall('PEXPIRE', KEYS[i], ARGV[3])
  end
end
return reply
