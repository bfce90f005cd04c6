#!lua
-- Takes the lease of one server's snapshot call, if nobody holds it: one call in flight, whoever asks.
-- KEYS: 1 lease (hash: owner, fence, until, why)
-- ARGV: 1 owner (a random name, of this call)  2 for how long, ms  3 what for (for people)  4 how long it is remembered, ms
-- Answers: {1, fence} it is ours | {0, ms left, what the holder does}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local held = redis.call('HMGET', KEYS[1], 'until', 'why', 'fence')
local left = tonumber(held[1] or '0') - now
if left > 0 then return {0, left, held[2]} end

local fence = tonumber(held[3] or '0') + 1
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'fence', fence, 'until', now + ARGV[2], 'why', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return {1, fence}
