#!lua flags=allow-oom
-- Lets items that met a store which was away or full come again after one hold, however often they were tried: what
-- keeps them waiting is not theirs, and when it is over they must not lie there for minutes.
-- KEYS: 1 outbox, 2 outbox items
-- ARGV: 1 hold, ms, 2 how many of the ids were surely not sent, 3… item ids, those first: theirs was no try
-- Answers: how many of them there still are
-- unconfirmed: they then come after the hold that they were taken with
-- uses: clock
local soon, unsent, n = now_ms() + tonumber(ARGV[1]), tonumber(ARGV[2]), 0
for i = 3, #ARGV do
  local id = ARGV[i]
  if redis.call('ZSCORE', KEYS[1], id) then
    n = n + 1
    redis.call('ZADD', KEYS[1], soon, id)
    if i - 2 <= unsent and redis.call('HINCRBY', KEYS[2], '#' .. id, -1) <= 0 then
      redis.call('HDEL', KEYS[2], '#' .. id)
    end
  end
end
return n
