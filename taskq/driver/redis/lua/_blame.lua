-- blame(message, blamed, at): move a message that was running when its worker process exited.
-- blamed: fault ("crash", "timeout", or "bystander": the process was killed because of another message), record for its history, wait
-- (milliseconds until a timed-out message runs again, -1 = no attempt is left). at: keys (waiting, delayed, failed, timeout, wake), time,
-- crashes (the maximum), lost_is_timeout (the channel's `on_lost`), limit and ttl_ms (the bounds of failed and timeout).
local function blame(message, blamed, at)
  local waiting, flags = at.waiting, string.byte(message, 21)
  if blamed.fault == 'timeout' then
    local attempts = math.min(65535, string.byte(message, 19) * 256 + string.byte(message, 20) + 1)
    local head = string.sub(message, 1, 18) .. string.char(math.floor(attempts / 256), attempts % 256)
    message = head .. string.sub(message, 21) .. blamed.record
    -- Without an attempt left, the next worker settles it without running it: on_fail is application code.
    if blamed.wait < 0 then redis.call('RPUSH', waiting, message)
    else schedule(at.delayed, at.wake, at.time + blamed.wait, message) end
    return
  end
  -- The job's on_lost (flags 2: timeout, 4: retry) overrides the channel's.
  local to_timeout = math.floor(flags / 2) % 2 == 1 or (at.lost_is_timeout and math.floor(flags / 4) % 2 == 0)
  if blamed.fault == 'bystander' and not to_timeout then
    redis.call('RPUSH', waiting, message)
    return
  end
  local crashes = string.byte(message, 2)
  if blamed.fault == 'crash' then crashes = math.min(255, crashes + 1) end
  message = string.sub(message, 1, 1) .. string.char(crashes) .. string.sub(message, 3) .. blamed.record
  if to_timeout then dead_letter(at.timeout, message, at.time, at.limit, at.ttl_ms)
  elseif crashes > at.crashes + 1 then -- even settling it crashes a worker: none may reserve it again
    dead_letter(at.failed, message, at.time, at.limit, at.ttl_ms)
  elseif crashes == 1 or crashes > at.crashes then redis.call('RPUSH', waiting, message)
  else schedule(at.delayed, at.wake, at.time + math.min(3600000, 1000 * 10 ^ (crashes - 2)), message) end
end
