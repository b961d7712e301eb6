-- settle_batch(list, ordered, first, key): settle the ids ARGV[first] and following. The keys from KEYS[key] on are the results of some of
-- them: for each, ARGV ends with its id, its lifetime in milliseconds, and the result. Return how many messages were there.
local function settle_batch(list, ordered, first, key)
  local last = #ARGV - 3 * (#KEYS - key + 1)
  local settled, gone = settle(list, ordered, first, last)
  for i = key, #KEYS do
    local at = last + 1 + 3 * (i - key)
    -- The fence: a message that was reassigned gets its result from another worker.
    if not gone[ARGV[at]] then keep_ending(KEYS[i], ARGV[at + 1], ARGV[at + 2]) end
  end
  return settled
end
