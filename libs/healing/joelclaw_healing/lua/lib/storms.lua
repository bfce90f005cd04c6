-- Whether too many of a group fail together: a storm that lasts, or so many others within the window that this target
-- makes one.
local function stormy(storms, failing, group, target, limit, window, now)
  if tonumber(redis.call('ZSCORE', storms, group) or '0') > now then return true end
  if limit == 0 then return false end
  local others = redis.call('ZCOUNT', failing, now - window + 1, '+inf')
  if tonumber(redis.call('ZSCORE', failing, target) or '0') > now - window then others = others - 1 end
  return others + 1 >= limit
end
