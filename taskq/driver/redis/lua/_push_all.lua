-- push_all(command, key, messages): RPUSH or LPUSH many messages. Lua can't unpack more than 7,999 values into one call.
local function push_all(command, key, messages)
  for i = 1, #messages, 1000 do
    redis.call(command, key, unpack(messages, i, math.min(i + 999, #messages)))
  end
end
