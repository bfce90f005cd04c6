-- What must cross to another slot is put here in the same step that decides it. The writer delivers it at once; the
-- first try of anybody else comes a little later, so that two don't carry the same letter.
local OUTBOX_HEAD_START_MS = 1000
local function outbox_put(outbox, items, id, item, now)
  if redis.call('HSETNX', items, id, item) == 1 then
    redis.call('ZADD', outbox, now + OUTBOX_HEAD_START_MS, id)
  end
end
