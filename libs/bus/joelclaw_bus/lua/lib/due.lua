-- Puts a member into the due index, and nudges the promoters when it is the new earliest.
local function due_put(due, channel, slot, member, at)
  local head = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')
  redis.call('ZADD', due, at, member)
  if not head[2] or at < tonumber(head[2]) then
    -- Without a right to the channel the nudge is lost, and the sweep finds it: after the writes nothing may fail.
    redis.pcall('PUBLISH', channel, string.format('%s %.0f', slot, at))
  end
end
