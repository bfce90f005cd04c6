-- Who took a permit, as its claims keep it: the claim, and behind an exclusive one ` UNTIL`: so long, unless it is
-- renewed, the handler of the begin that took it counts as at work. One text, so that whoever writes or strikes the
-- claim does the same with the time, an older build too.
local function claim_read(text)
  local claim, till = string.match(text or '', '^(.*) (%d+)$')
  return claim or text, till
end
