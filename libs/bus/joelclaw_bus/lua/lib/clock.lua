-- The server's clock, ms since the epoch: the only clock that a script knows.
local function now_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end
