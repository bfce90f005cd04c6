#!lua flags=allow-oom
-- Deletes delivered items.
-- KEYS: 1 outbox, 2 outbox items
-- ARGV: item ids
-- Answers: how many there were; 0 when somebody else had delivered them
-- unconfirmed: the item is then delivered again, and delivery is idempotent
local n = 0
for _, id in ipairs(ARGV) do
  n = n + redis.call('ZREM', KEYS[1], id)
  redis.call('HDEL', KEYS[2], id, '#' .. id)
end
return n
