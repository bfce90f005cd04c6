#!lua flags=allow-oom
-- Notes in the record of a run that is about to act which events cancel it, and has its waits for them registered.
-- KEYS: 1 source stream, 2 run, 3 outbox, 4 outbox items
-- ARGV: 1 function, 2 consumer, 3 entry, 4 claim, 5 names of the events (JSON), 6… outbox item id, item, …
-- Answers: {1} noted, again or for the first time; {0, why} not mine, nothing written
-- uses: clock, lease, outbox
local count, why = owned(KEYS[1], ARGV[1], ARGV[3], ARGV[2])
if not count then return { 0, why } end
if redis.call('HGET', KEYS[2], 'claim') ~= ARGV[4] then return { 0, 'claim' } end
local now = now_ms()
redis.call('HSET', KEYS[2], 'cancels', ARGV[5])
for i = 6, #ARGV, 2 do outbox_put(KEYS[3], KEYS[4], ARGV[i], ARGV[i + 1], now) end
return { 1 }
