#!lua flags=allow-oom
-- Ends a lease, or lets it stand for a last while, if it is still the one that was taken.
-- KEYS: 1 lease (hash: owner, fence, until, why)
-- ARGV: 1 owner  2 fence  3 how much longer, ms (0: it is free now)  4 why it stands
-- Answers: 1 done | 0: another has it by now, and nothing was changed
local held = redis.call('HMGET', KEYS[1], 'owner', 'fence')
if held[1] ~= ARGV[1] or held[2] ~= ARGV[2] then return 0 end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], 'until', now + ARGV[3], 'why', ARGV[4])
return 1
