-- Stands in front of every script of a bus under test: TIME is what the test says, and new entries are numbered by it.
local redis = (function(server)
  local function now() return tonumber(server.call('GET', 'joelclaw-testing:now')) end
  local function moved(call)
    return function(command, ...)
      if command == 'TIME' then
        return { string.format('%.0f', math.floor(now() / 1000)), string.format('%.0f', now() % 1000 * 1000) }
      end
      if command ~= 'XADD' then return call(command, ...) end
      local words = { ... }
      for i = 2, #words do
        if words[i] == '*' then
          words[i] = string.format('%.0f-*', now())
          break
        end
      end
      return call(command, unpack(words))
    end
  end
  return setmetatable({ call = moved(server.call), pcall = moved(server.pcall) }, { __index = server })
end)(redis)
