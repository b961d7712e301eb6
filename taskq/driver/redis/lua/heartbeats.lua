-- heartbeats: read a page of the last heartbeats of each channel, those first that may be overdue.
-- KEYS: 1.. the workers of each channel
-- ARGV: 1 how many to skip, 2 maximum number, 3 the age in milliseconds from which on a heartbeat may be overdue
-- Returns: for each channel: 1 = overdue ones may follow on the next page; then for each: the worker, its last heartbeat.
-- include: now
local skip, count, time = tonumber(ARGV[1]), tonumber(ARGV[2]), now()
local function page_of(workers)
  local total = redis.call('ZCARD', workers)
  -- The clock only decides the order. Heartbeats in the future come first: the clock was set back after them. A living worker soon sends
  -- another, so only those of lost workers stay there.
  local ahead = redis.call('ZCOUNT', workers, string.format('(%d', time + 1), '+inf')
  local page = {0}
  local function add(first, last)
    if first > last then return end
    for _, word in ipairs(redis.call('ZRANGE', workers, first, last, 'WITHSCORES')) do page[#page + 1] = word end
  end
  local behind = total - ahead
  add(behind + skip, math.min(behind + skip + count, total) - 1)
  local first = math.max(0, skip - ahead)
  add(first, math.min(first + count - (#page - 1) / 2, behind) - 1)
  local next = skip + count
  if next < total and (next <= ahead or tonumber(page[#page]) <= time - tonumber(ARGV[3])) then page[1] = 1 end
  return page
end
local reply = {}
for i = 1, #KEYS do reply[i] = page_of(KEYS[i]) end
return reply
