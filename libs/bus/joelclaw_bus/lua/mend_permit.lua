#!lua flags=allow-oom
-- Repairs one member of a permit, if its claim still is as the auditor saw it. Whoever waits for what becomes free asks
-- again by itself: its fallback is due.
-- KEYS: 1 permits, 2 waiters, 3 claims
-- ARGV: 1 member (slot|run), 2 claim, as seen ('' none), 3 repair: free | leave | claim | hold, 4 new claim,
--       5 time to live of a permit that is put back, ms (0: until it is given back)
-- Answers: 1 repaired; 0 it is not as it was seen, nothing written
-- unconfirmed: a repair that is lost leaves what was broken, and is done again
-- uses: clock
if (redis.call('HGET', KEYS[3], ARGV[1]) or '') ~= ARGV[2] then return 0 end
if ARGV[3] == 'free' then -- its run is over
  redis.call('HDEL', KEYS[3], ARGV[1])
  redis.call('ZREM', KEYS[1], ARGV[1])
elseif ARGV[3] == 'leave' then -- it waits for nothing any more
  redis.call('ZREM', KEYS[2], ARGV[1])
elseif ARGV[3] == 'claim' then -- it holds the permit, and could not renew it
  if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
  redis.call('HSET', KEYS[3], ARGV[1], ARGV[4])
elseif ARGV[3] == 'hold' then -- it was promised the permit, and another could take it
  local score = ARGV[5] == '0' and '+inf' or string.format('%.0f', now_ms() + tonumber(ARGV[5]))
  redis.call('ZADD', KEYS[1], 'NX', score, ARGV[1])
end
return 1
