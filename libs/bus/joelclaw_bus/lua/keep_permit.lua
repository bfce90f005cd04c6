#!lua flags=allow-oom
-- Renews a permit that this begin still holds. It never takes one: what was given back a moment ago stays given back.
-- KEYS: 1 permits, 2 claims
-- ARGV: 1 member (slot|run), 2 claim, 3 how long, ms, 4 kept until it is given back (0|1): then it is renewed how long
--       its handler counts as at work, and the permit with it only when its run was ended from outside
-- Answers: 1 kept; 0 it is not this begin's any more
-- unconfirmed: it is renewed again within a third of a lease
-- uses: clock, claim
if claim_read(redis.call('HGET', KEYS[2], ARGV[1])) ~= ARGV[2] then return 0 end
local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not score then return 0 end
local till = string.format('%.0f', now_ms() + tonumber(ARGV[3]))
if ARGV[4] == '1' then redis.call('HSET', KEYS[2], ARGV[1], ARGV[2] .. ' ' .. till) end
if ARGV[4] ~= '1' or score ~= 'inf' then redis.call('ZADD', KEYS[1], till, ARGV[1]) end
return 1
