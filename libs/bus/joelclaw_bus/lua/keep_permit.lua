#!lua flags=allow-oom
-- Renews a permit that this begin still holds. It never takes one: what was given back a moment ago stays given back.
-- KEYS: 1 permits, 2 claims
-- ARGV: 1 member (slot|run), 2 claim, 3 time to live, ms
-- Answers: 1 kept; 0 it is not this begin's any more
-- unconfirmed: it is renewed again within a third of a lease
-- uses: clock
if redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[2] then return 0 end
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[1], string.format('%.0f', now_ms() + tonumber(ARGV[3])), ARGV[1])
return 1
