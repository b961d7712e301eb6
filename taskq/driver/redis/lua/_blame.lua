-- blame(message, told, at): bring a message that was running when its worker died to where it belongs.
-- told: fault ("crash", "timeout", or "neighbour": the worker was ended for another's sake), record for its history, wait (milliseconds
-- until a timed-out message runs again, -1 = no attempt is left). at: keys (waiting, delayed, failed, timeout, wake), time, crashes (how
-- many are allowed), aside (the channel's lost messages go to timeout), keep and keep_ms (how many failed and timeout keep, how long).
local function blame(message, told, at)
  local waiting, flags = at.waiting, string.byte(message, 21)
  if told.fault == 'timeout' then
    local attempts = math.min(65535, string.byte(message, 19) * 256 + string.byte(message, 20) + 1)
    local head = string.sub(message, 1, 18) .. string.char(math.floor(attempts / 256), attempts % 256)
    message = head .. string.sub(message, 21) .. told.record
    -- Without an attempt left the next worker settles it without running it: on_fail is the application's code.
    if told.wait < 0 then redis.call('RPUSH', waiting, message)
    else schedule(at.delayed, at.wake, at.time + told.wait, message) end
    return
  end
  -- What the job says (flags 2: timeout, 4: retry) goes before what the channel says.
  local aside = math.floor(flags / 2) % 2 == 1 or (at.aside and math.floor(flags / 4) % 2 == 0)
  if told.fault == 'neighbour' and not aside then
    redis.call('RPUSH', waiting, message)
    return
  end
  local crashes = string.byte(message, 2)
  if told.fault == 'crash' then crashes = math.min(255, crashes + 1) end
  message = string.sub(message, 1, 1) .. string.char(crashes) .. string.sub(message, 3) .. told.record
  if aside then set_aside(at.timeout, message, at.time, at.keep, at.keep_ms)
  elseif crashes > at.crashes + 1 then -- even settling it kills: no worker may touch it again
    set_aside(at.failed, message, at.time, at.keep, at.keep_ms)
  elseif crashes == 1 or crashes > at.crashes then redis.call('RPUSH', waiting, message)
  else schedule(at.delayed, at.wake, at.time + math.min(3600000, 1000 * 10 ^ (crashes - 2)), message) end
end
