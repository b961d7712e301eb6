-- blame(message, blamed, at): move a message that was running when its worker process exited. Returns 'timeout' or 'failed' if it was
-- moved there.
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
  -- The second: even settling it crashes a worker, so none may reserve it again.
  local letter = (to_timeout and 'timeout') or (crashes > at.crashes + 1 and 'failed') or nil
  if letter then
    dead_letter(at[letter], message, at.time, at.limit, at.ttl_ms)
    return letter
  elseif crashes == 1 or crashes > at.crashes then redis.call('RPUSH', waiting, message)
  else schedule(at.delayed, at.wake, at.time + math.min(3600000, 1000 * 10 ^ (crashes - 2)), message) end
end
