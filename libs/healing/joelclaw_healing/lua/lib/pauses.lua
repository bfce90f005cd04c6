-- Whether a pause reason that lasts covers one of these scopes. One that can't be read covers everything; where no scope
-- is asked for (a person's order) none bars.
local function paused(key, scopes, now)
  if #scopes == 0 then return false end
  local wanted = {}
  for _, scope in ipairs(scopes) do wanted[scope] = true end
  for _, text in ipairs(redis.call('HVALS', key)) do
    local sound, reason = pcall(cjson.decode, text)
    if not sound or type(reason) ~= 'table' or type(reason.until_ms) ~= 'number' or type(reason.scope) ~= 'string' then
      return true
    end
    if wanted[reason.scope] and reason.until_ms > now then return true end
  end
  return false
end
