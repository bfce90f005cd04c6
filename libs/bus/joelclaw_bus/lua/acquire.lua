#!lua flags=allow-oom
-- Takes (or keeps) a permit for a run, or lines it up where it would wait. A permit is held by run id, so asking again
-- changes nothing but its claim: the begin that asked last is the one that may give it back.
-- KEYS: 1 permits, 2 waiters, 3 claims
-- ARGV: 1 member (slot|run), 2 limit, 3 time to live, ms (0: until it is given back), 4 line up (0|1), 5 claim,
--       6 server time as the caller reckons it, ms ('' after a discontinuity), 7 tolerance, ms, 8 how long its handler
--       counts as at work unless that is renewed, ms (0: the permit itself expires)
-- Answers: {1} held; {0, any ten holders, rank} all are taken, the run is lined up if it wanted to: so many wait before it
-- uses: clock
local now = now_ms()
local score = ARGV[3] == '0' and '+inf' or string.format('%.0f', now + tonumber(ARGV[3]))
-- As with leases: after an outage or a jump of the clock, owners renew first. What has expired still counts till then.
if ARGV[6] ~= '' and math.abs(now - tonumber(ARGV[6])) <= tonumber(ARGV[7]) then
  for _, old in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)) do
    redis.call('ZREM', KEYS[1], old)
    redis.call('HDEL', KEYS[3], old)
  end
end
if redis.call('ZSCORE', KEYS[1], ARGV[1]) or redis.call('ZCARD', KEYS[1]) < tonumber(ARGV[2]) then
  local claim = ARGV[5]
  if ARGV[8] ~= '0' then claim = claim .. string.format(' %.0f', now + tonumber(ARGV[8])) end
  redis.call('ZADD', KEYS[1], score, ARGV[1])
  redis.call('HSET', KEYS[3], ARGV[1], claim)
  redis.call('ZREM', KEYS[2], ARGV[1])
  return { 1 }
end
if ARGV[4] == '1' then redis.call('ZADD', KEYS[2], 'NX', now, ARGV[1]) end
return { 0, redis.call('ZRANDMEMBER', KEYS[1], 10), redis.call('ZRANK', KEYS[2], ARGV[1]) or 0 }
