#!lua flags=allow-oom
-- Takes what an outbox has to deliver now; what isn't reported done comes again after the hold, doubled for each try up
-- to 64 times: what is refused for good must not take up every page. To be taken is no try: outbox_try counts those.
-- What was not refused for itself comes sooner: outbox_again.
-- KEYS: 1 outbox, 2 outbox items
-- ARGV: 1 how many at most, 2 hold, ms
-- Answers: {now, earliest left (-1 none), item id, item ('' it was lost, and is no longer missed), tries before, …}
-- unconfirmed: the item is then taken again, and delivery is idempotent
-- uses: clock
local now = now_ms()
local out = { now, -1 }
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])) do
  local item = redis.call('HGET', KEYS[2], id)
  if item then
    out[#out + 1] = id
    out[#out + 1] = item
    local tries = tonumber(redis.call('HGET', KEYS[2], '#' .. id) or '0') or 0
    out[#out + 1] = tries
    redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]) * 2 ^ math.min(tries, 6), id)
  else
    redis.call('ZREM', KEYS[1], id)
    for _, value in ipairs({ id, '', 0 }) do out[#out + 1] = value end
  end
end
local head = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if head[2] then out[2] = tonumber(head[2]) end
return out
