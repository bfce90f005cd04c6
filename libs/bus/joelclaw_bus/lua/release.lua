#!lua flags=allow-oom
-- Gives a run's permit back and hands it to the longest waiter, which is woken by an outbox item.
-- A claim must be the permit's own: a release that is delivered twice must not take what the run acquired in between.
-- Of a run that was ended from outside the handler may still be at work: its permit then expires when that can't be any
-- more, unless its worker renews it; who knows that it has stopped frees it before.
-- KEYS: 1 permits, 2 waiters, 3 outbox, 4 outbox items, 5 claims
-- ARGV: 1 member (slot|run), 2 time to live of the next holder's permit, ms (0: until it is given back), 3 permit key,
--       4 function, 5 claim ('' any: the run is over), 6 limit (0: not known), 7 the claim whose handler has stopped
--       ('' not known)
-- Answers: {1, item id, item} handed on; {1} nobody waits, no more may run, or it expires; {0} it held none
-- uses: clock, outbox, claim
local claim, till = claim_read(redis.call('HGET', KEYS[5], ARGV[1]))
if ARGV[5] ~= '' and claim and claim ~= ARGV[5] then return { 0 } end
if ARGV[5] == '' then redis.call('ZREM', KEYS[2], ARGV[1]) end
if till and ARGV[7] ~= claim and redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  redis.call('ZADD', KEYS[1], till, ARGV[1])
  return { 1 }
end
redis.call('HDEL', KEYS[5], ARGV[1])
if redis.call('ZREM', KEYS[1], ARGV[1]) == 0 then return { 0 } end
if ARGV[6] ~= '0' and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[6]) then return { 1 } end
local next = redis.call('ZPOPMIN', KEYS[2])[1]
if not next then return { 1 } end
local now = now_ms()
redis.call('ZADD', KEYS[1], ARGV[2] == '0' and '+inf' or string.format('%.0f', now + tonumber(ARGV[2])), next)
local bar = next:find('|', 1, true)
local id = 'wake:' .. next .. ':' .. string.format('%.0f', now)
redis.call('HSET', KEYS[5], next, id)
local item = cjson.encode({ id = id, kind = 'wake', target = next:sub(1, bar - 1), run = next:sub(bar + 1),
  permit = ARGV[3], ttl_ms = tonumber(ARGV[2]), call = ARGV[4], most = tonumber(ARGV[6]), claim = id,
  created_ms = now })
outbox_put(KEYS[3], KEYS[4], id, item, now)
return { 1, id, item }
